/* SPDX-License-Identifier: MIT */
/* Every combination of what a decision depends on, against the rules row by row. */
#include "core/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

enum { ANY = -1, NO = 0, YES = 1, DELAY_MS = 777, LONGEST_MS = 60000 };
enum wait_for { NOTHING, BACKOFF, OWN_DELAY, LONGEST, OWN_DELAY_OR_NOTHING };

struct circumstances {
	int verdict, charged, exhausted, trimmed, off, has_delay;
};

/* The first row that fits decides. */
static const struct {
	struct circumstances when;
	enum action action;
	int forgiven; /* ANY: when not charged */
	enum wait_for wait_for;
	enum dead_reason reason;
} rules[] = {
	{ { VERDICT_OK, ANY, ANY, ANY, ANY, ANY }, ACTION_ACK, NO, NOTHING, 0 },
	{ { VERDICT_DROP, ANY, ANY, ANY, ANY, ANY }, ACTION_ACK, NO, NOTHING, 0 },
	{ { ANY, ANY, ANY, YES, ANY, ANY }, ACTION_BURY, NO, NOTHING, DEAD_TRIMMED },
	{ { VERDICT_RELEASE, ANY, ANY, NO, ANY, ANY }, ACTION_RELEASE, ANY, NOTHING, 0 },
	{ { VERDICT_BROKEN, ANY, ANY, NO, ANY, ANY }, ACTION_RELEASE, ANY, NOTHING, 0 },
	{ { ANY, NO, ANY, NO, ANY, ANY }, ACTION_WAIT, YES, OWN_DELAY_OR_NOTHING, 0 },
	{ { VERDICT_DEAD, YES, ANY, NO, NO, ANY }, ACTION_BURY, NO, NOTHING, DEAD_REJECTED },
	{ { VERDICT_DEAD, YES, ANY, NO, YES, ANY }, ACTION_WAIT, NO, LONGEST, 0 },
	{ { VERDICT_RETRY, YES, YES, NO, NO, ANY }, ACTION_BURY, NO, NOTHING, DEAD_ATTEMPTS },
	{ { VERDICT_RETRY, YES, YES, NO, YES, ANY }, ACTION_WAIT, NO, LONGEST, 0 },
	{ { VERDICT_RETRY, YES, NO, NO, ANY, YES }, ACTION_WAIT, NO, OWN_DELAY, 0 },
	{ { VERDICT_RETRY, YES, NO, NO, ANY, NO }, ACTION_WAIT, NO, BACKOFF, 0 },
};

static const uint64_t limits[] = { 0, 1, 2, 8, 1000000 };

static bool fits(int rule, int value)
{
	return rule == ANY || rule == value;
}

static size_t rule_for(const struct circumstances *c)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct circumstances *w = &rules[i].when;

		if (fits(w->verdict, c->verdict) && fits(w->charged, c->charged) &&
		    fits(w->exhausted, c->exhausted) && fits(w->trimmed, c->trimmed) &&
		    fits(w->off, c->off) && fits(w->has_delay, c->has_delay))
			return i;
	}
	fail_msg("no rule");
	return 0;
}

static uint64_t delay_of(enum wait_for w, const struct circumstances *c, uint64_t backoff_ms)
{
	switch (w) {
	case BACKOFF:
		return backoff_ms;
	case OWN_DELAY:
		return DELAY_MS;
	case LONGEST:
		return LONGEST_MS;
	case OWN_DELAY_OR_NOTHING:
		return c->has_delay ? DELAY_MS : 0;
	default:
		return 0;
	}
}

static void check(const struct circumstances *c, uint64_t max_attempts, uint32_t attempts,
    uint64_t dice)
{
	const struct retry_settings retry = { max_attempts, 1000, LONGEST_MS, 2, true };
	const struct policy p = { &retry, c->off };
	const struct outcome o = { .verdict = (enum verdict)c->verdict,
		.charged = c->charged,
		.has_delay = c->has_delay,
		.delay_ms = c->has_delay ? DELAY_MS : 12345 };
	struct decision d = policy_decide(&p, &o, attempts, c->trimmed, dice);
	size_t i = rule_for(c);
	bool forgiven = rules[i].forgiven == ANY ? !c->charged : rules[i].forgiven;
	uint64_t delay_ms =
	    delay_of(rules[i].wait_for, c, policy_backoff_ms(&retry, attempts, dice));

	if (d.action != rules[i].action || d.forgiven != forgiven || d.delay_ms != delay_ms)
		fail_msg("rule %zu: action %d, forgiven %d, delay %d", i, d.action, d.forgiven,
		    (int)d.delay_ms);
	if (d.action == ACTION_BURY)
		assert_int_equal(d.reason, rules[i].reason);
}

static void check_attempts(struct circumstances c, uint64_t max_attempts, struct rng *r)
{
	const uint32_t around = max_attempts ? (uint32_t)max_attempts : 5;
	const uint32_t attempts[] = { 1, around - (around > 1), around, around + 1, 4000000000u };

	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		c.exhausted = max_attempts && attempts[i] >= max_attempts;
		check(&c, max_attempts, attempts[i], rng_next(r));
	}
}

static void test_every_combination(void **unused)
{
	struct rng r = { 1 };

	(void)unused;
	for (int bits = 0; bits < VERDICT_COUNT * 16; bits++) {
		const struct circumstances c = { .verdict = bits / 16,
			.charged = bits & 1,
			.trimmed = bits >> 1 & 1,
			.off = bits >> 2 & 1,
			.has_delay = bits >> 3 & 1 };

		for (size_t i = 0; i < ARRAY_LEN(limits); i++)
			check_attempts(c, limits[i], &r);
	}
}

static void test_reason_words(void **unused)
{
	(void)unused;
	assert_string_equal(dead_reason_word(DEAD_REJECTED), "rejected");
	assert_string_equal(dead_reason_word(DEAD_ATTEMPTS), "attempts");
	assert_string_equal(dead_reason_word(DEAD_TRIMMED), "trimmed");
	assert_string_equal(dead_reason_word(DEAD_OVERSIZE), "oversize");
}

static const struct {
	uint64_t initial_ms, max_ms;
	double multiplier;
	uint32_t attempts;
	uint64_t whole_ms;
} growth[] = {
	{ 1000, 300000, 3, 1, 1000 },
	{ 1000, 300000, 3, 2, 3000 },
	{ 1000, 300000, 3, 3, 9000 },
	{ 1000, 300000, 3, 6, 243000 },
	{ 1000, 300000, 3, 7, 300000 },
	{ 1000, 300000, 3, UINT32_MAX, 300000 },
	{ 1000, 300000, 1, UINT32_MAX, 1000 },
	{ 1000, 300000, 1.5, 3, 2250 },
	{ 5000, 1000, 3, 1, 1000 },
	{ 1000, 1000, 3, 5, 1000 },
	{ 0, 1000, 3, 9, 0 },
	{ 0, 1000, 3, UINT32_MAX, 0 },
	{ 0, 0, 3, 9, 0 },
	{ 1, 1, 10, 1, 1 },
	{ 1000, 300000, 3, 0, 1000 },
};

static void test_backoff_grows(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(growth); i++) {
		struct retry_settings r = { 0, growth[i].initial_ms, growth[i].max_ms,
			growth[i].multiplier, false };
		struct rng dice = { i };

		assert_int_equal(policy_backoff_ms(&r, growth[i].attempts, rng_next(&dice)),
		    growth[i].whole_ms);
	}
}

static void test_jitter_is_between_half_and_whole(void **unused)
{
	struct rng dice = { 3 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(growth); i++) {
		struct retry_settings r = { 0, growth[i].initial_ms, growth[i].max_ms,
			growth[i].multiplier, true };
		uint64_t whole = growth[i].whole_ms, low = UINT64_MAX, high = 0;

		for (int n = 0; n < 500; n++) {
			uint64_t d = policy_backoff_ms(&r, growth[i].attempts, rng_next(&dice));

			low = d < low ? d : low;
			high = d > high ? d : high;
		}
		assert_true(high <= whole && low >= whole / 2);
		if (whole >= 1000)
			assert_true(low < whole * 6 / 10 && high > whole * 9 / 10);
	}
}

static const struct {
	uint64_t max_attempts;
	uint32_t attempts;
	bool off, kills;
} killers[] = {
	{ 8, 8, false, false },
	{ 8, 11, false, false },
	{ 8, 12, false, true },
	{ 8, UINT32_MAX, false, true },
	{ 8, 12, true, false },
	{ 1, 4, false, false },
	{ 1, 5, false, true },
	{ 0, 5, false, false },
	{ 0, UINT32_MAX, false, false },
	{ 1000000, 1000003, false, false },
	{ 1000000, 1000004, false, true },
};

static void test_kills_daemons(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(killers); i++) {
		const struct retry_settings retry = { .max_attempts = killers[i].max_attempts };
		const struct policy p = { &retry, killers[i].off };

		assert_int_equal(policy_kills_daemons(&p, killers[i].attempts), killers[i].kills);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_combination),
		cmocka_unit_test(test_reason_words),
		cmocka_unit_test(test_backoff_grows),
		cmocka_unit_test(test_jitter_is_between_half_and_whole),
		cmocka_unit_test(test_kills_daemons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
