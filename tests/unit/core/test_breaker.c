/* SPDX-License-Identifier: MIT */
/* Sequences of events, each with what the breaker answers and the state it is in afterwards. */
#include "core/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/compiler.h"

enum { FAILURES = 3, STREAK = 4, COOLDOWN_MS = 1000, CAP_MS = 5 * 60 * 1000, STEPS_MAX = 16 };

static const struct breaker_settings settings = { FAILURES, STREAK, COOLDOWN_MS };
static const struct origin streams[2];

/* FAIL and DEAD are charged, UNCHARGED and RELEASE are not. BLAMED is a BROKEN that comes out as a
 * failure of the entry, FORGIVEN and FORGIVEN_DEAD are failures that come out as none. */
enum what {
	END,
	OK,
	DROP,
	FAIL,
	DEAD,
	UNCHARGED,
	RELEASE,
	BROKEN,
	BLAMED,
	FORGIVEN,
	FORGIVEN_DEAD,
	NO_WORKER,
	COOL,
	TRY,
	LOSE,
};

enum {
	SAME = BREAKER_UNCHANGED,
	OPENS = BREAKER_OPENS,
	CLOSES = BREAKER_CLOSES,
	CLOSED = BREAKER_CLOSED,
	OPEN = BREAKER_OPEN,
	TRIABLE = BREAKER_TRIABLE,
	TRYING = BREAKER_TRYING,
};

struct step {
	enum what what;
	const char *entry; /* stream and id */
	int change, state;
	pid_t pid;
};

static const struct {
	enum verdict told, corrected;
	bool charged, charged_after;
} runs[] = {
	[OK] = { VERDICT_OK, VERDICT_OK, false, false },
	[DROP] = { VERDICT_DROP, VERDICT_DROP, false, false },
	[FAIL] = { VERDICT_RETRY, VERDICT_RETRY, true, true },
	[DEAD] = { VERDICT_DEAD, VERDICT_DEAD, true, true },
	[UNCHARGED] = { VERDICT_RETRY, VERDICT_RETRY, false, false },
	[RELEASE] = { VERDICT_RELEASE, VERDICT_RELEASE, false, false },
	[BROKEN] = { VERDICT_BROKEN, VERDICT_BROKEN, false, false },
	[BLAMED] = { VERDICT_BROKEN, VERDICT_RETRY, false, true },
	[FORGIVEN] = { VERDICT_RETRY, VERDICT_RETRY, true, false },
	[FORGIVEN_DEAD] = { VERDICT_DEAD, VERDICT_RETRY, true, false },
};

static const struct {
	const char *name;
	struct step steps[STEPS_MAX];
} sequences[] = {
	{ "broken events in a row",
	    { { BROKEN, "a1", SAME, CLOSED, 11 }, { BROKEN, "a1", SAME, CLOSED, 12 },
	        { BROKEN, "a2", OPENS, OPEN, 13 }, { BROKEN, "a3", SAME, OPEN, 14 } } },
	{ "a handler that cannot be started has no pid, and each is an event",
	    { { BROKEN, "a1", SAME, CLOSED, 0 }, { BROKEN, "a2", SAME, CLOSED, 0 },
	        { BROKEN, "a3", OPENS, OPEN, 0 } } },
	{ "what one process held is one event",
	    { { BROKEN, "a1", SAME, CLOSED, 11 }, { BROKEN, "a2", SAME, CLOSED, 11 },
	        { BROKEN, "b1", SAME, CLOSED, 11 }, { BROKEN, "a1", SAME, CLOSED, 12 },
	        { BROKEN, "a2", SAME, CLOSED, 12 }, { BROKEN, "a1", OPENS, OPEN, 13 } } },
	{ "workers without an entry count as well",
	    { { NO_WORKER, NULL, SAME, CLOSED, 0 }, { BROKEN, "a1", SAME, CLOSED, 11 },
	        { NO_WORKER, NULL, OPENS, OPEN, 0 }, { NO_WORKER, NULL, SAME, OPEN, 0 } } },
	{ "a success ends the row of broken events",
	    { { BROKEN, "a1", SAME, CLOSED, 11 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { OK, "a2", SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, SAME, CLOSED, 0 }, { DROP, "a3", SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, OPENS, OPEN, 0 } } },

	{ "a streak of different entries",
	    { { FAIL, "a1", SAME, CLOSED, 0 }, { DEAD, "a2", SAME, CLOSED, 0 },
	        { FAIL, "a3", SAME, CLOSED, 0 }, { FAIL, "a4", OPENS, OPEN, 0 },
	        { FAIL, "a5", SAME, OPEN, 0 } } },
	{ "the same id in another stream is another entry",
	    { { FAIL, "a1", SAME, CLOSED, 0 }, { FAIL, "b1", SAME, CLOSED, 0 },
	        { FAIL, "a2", SAME, CLOSED, 0 }, { FAIL, "b2", OPENS, OPEN, 0 } } },
	{ "one entry that fails again and again is no streak",
	    { { FAIL, "a1", SAME, CLOSED, 0 }, { FAIL, "a1", SAME, CLOSED, 0 },
	        { FAIL, "a1", SAME, CLOSED, 0 }, { FAIL, "a1", SAME, CLOSED, 0 },
	        { FAIL, "a1", SAME, CLOSED, 0 }, { DEAD, "a1", SAME, CLOSED, 0 } } },
	{ "nor are a few that fail in turn",
	    { { FAIL, "a1", SAME, CLOSED, 0 }, { FAIL, "a2", SAME, CLOSED, 0 },
	        { FAIL, "a1", SAME, CLOSED, 0 }, { FAIL, "a2", SAME, CLOSED, 0 },
	        { FAIL, "a3", SAME, CLOSED, 0 }, { FAIL, "a1", SAME, CLOSED, 0 },
	        { OK, "a4", SAME, CLOSED, 0 }, { FAIL, "a1", SAME, CLOSED, 0 },
	        { FAIL, "a2", SAME, CLOSED, 0 }, { FAIL, "a1", SAME, CLOSED, 0 },
	        { FAIL, "b1", SAME, CLOSED, 0 }, { FAIL, "a3", OPENS, OPEN, 0 } } },
	{ "successes end a streak, uncharged ends do nothing to it",
	    { { FAIL, "a1", SAME, CLOSED, 0 }, { FAIL, "a2", SAME, CLOSED, 0 },
	        { FAIL, "a3", SAME, CLOSED, 0 }, { OK, "a4", SAME, CLOSED, 0 },
	        { FAIL, "a1", SAME, CLOSED, 0 }, { FAIL, "a2", SAME, CLOSED, 0 },
	        { UNCHARGED, "a5", SAME, CLOSED, 0 }, { FAIL, "a3", SAME, CLOSED, 0 },
	        { RELEASE, "a6", SAME, CLOSED, 0 }, { FAIL, "a4", OPENS, OPEN, 0 } } },

	{ "a success of the try closes it",
	    { { NO_WORKER, NULL, SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, OPENS, OPEN, 0 }, { COOL, NULL, SAME, TRIABLE, 0 },
	        { TRY, "a1", SAME, TRYING, 0 }, { OK, "a1", CLOSES, CLOSED, 0 },
	        { COOL, NULL, SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 } } },
	{ "so does a success of what still ran when it opened",
	    { { NO_WORKER, NULL, SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, OPENS, OPEN, 0 }, { DROP, "a1", CLOSES, CLOSED, 0 },
	        { COOL, NULL, SAME, CLOSED, 0 } } },
	{ "a failed try is forgiven, and a dead one not buried",
	    { { NO_WORKER, NULL, SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, OPENS, OPEN, 0 }, { COOL, NULL, SAME, TRIABLE, 0 },
	        { TRY, "a1", SAME, TRYING, 0 }, { FORGIVEN, "a1", OPENS, OPEN, 21 },
	        { COOL, NULL, SAME, TRIABLE, 0 }, { TRY, "a2", SAME, TRYING, 0 },
	        { FORGIVEN_DEAD, "a2", OPENS, OPEN, 22 }, { COOL, NULL, SAME, TRIABLE, 0 },
	        { TRY, "a1", SAME, TRYING, 0 }, { BROKEN, "a1", OPENS, OPEN, 23 } } },
	{ "only the try is forgiven, not what still ran",
	    { { NO_WORKER, NULL, SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, OPENS, OPEN, 0 }, { FAIL, "a1", SAME, OPEN, 0 },
	        { COOL, NULL, SAME, TRIABLE, 0 }, { FAIL, "a1", SAME, TRIABLE, 0 },
	        { TRY, "a1", SAME, TRYING, 0 }, { FAIL, "b1", SAME, TRYING, 0 },
	        { DEAD, "a2", SAME, TRYING, 0 }, { BROKEN, "a3", SAME, TRYING, 31 },
	        { FORGIVEN, "a1", OPENS, OPEN, 0 } } },
	{ "a try that breaks the handler of an event already counted fails all the same",
	    { { BROKEN, "a1", SAME, CLOSED, 11 }, { BROKEN, "a2", SAME, CLOSED, 12 },
	        { BROKEN, "a3", OPENS, OPEN, 13 }, { COOL, NULL, SAME, TRIABLE, 0 },
	        { TRY, "a1", SAME, TRYING, 0 }, { BROKEN, "a1", OPENS, OPEN, 13 } } },

	{ "a try that is lost tells nothing, and another may be tried",
	    { { NO_WORKER, NULL, SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, OPENS, OPEN, 0 }, { LOSE, "a1", SAME, OPEN, 0 },
	        { COOL, NULL, SAME, TRIABLE, 0 }, { TRY, "a1", SAME, TRYING, 0 },
	        { LOSE, "a2", SAME, TRYING, 0 }, { LOSE, "b1", SAME, TRYING, 0 },
	        { LOSE, "a1", SAME, TRIABLE, 0 }, { FAIL, "a1", SAME, TRIABLE, 0 },
	        { TRY, "a2", SAME, TRYING, 0 }, { OK, "a2", CLOSES, CLOSED, 0 } } },
	{ "so does one that ends uncharged",
	    { { NO_WORKER, NULL, SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, OPENS, OPEN, 0 }, { COOL, NULL, SAME, TRIABLE, 0 },
	        { TRY, "a1", SAME, TRYING, 0 }, { RELEASE, "b1", SAME, TRYING, 0 },
	        { UNCHARGED, "a1", SAME, TRIABLE, 0 }, { TRY, "a1", SAME, TRYING, 0 },
	        { RELEASE, "a1", SAME, TRIABLE, 0 } } },

	{ "an entry is to blame when others succeed and it breaks the handler again",
	    { { BROKEN, "a1", SAME, CLOSED, 11 }, { OK, "a2", SAME, CLOSED, 0 },
	        { BLAMED, "a1", SAME, CLOSED, 12 }, { BLAMED, "a1", SAME, CLOSED, 13 },
	        { BLAMED, "a1", SAME, CLOSED, 14 }, { OK, "a1", SAME, CLOSED, 0 } } },
	{ "it is not while nothing succeeds",
	    { { BROKEN, "a1", SAME, CLOSED, 11 }, { FAIL, "a2", SAME, CLOSED, 0 },
	        { BROKEN, "a1", SAME, CLOSED, 12 }, { UNCHARGED, "a3", SAME, CLOSED, 0 },
	        { BROKEN, "a1", OPENS, OPEN, 13 } } },
	{ "it is not for another with its id",
	    { { BROKEN, "a1", SAME, CLOSED, 11 }, { OK, "a2", SAME, CLOSED, 0 },
	        { BROKEN, "b1", SAME, CLOSED, 12 }, { BLAMED, "a1", SAME, CLOSED, 13 } } },
	{ "failures of those to blame are a streak",
	    { { BROKEN, "a1", SAME, CLOSED, 11 }, { BROKEN, "a2", SAME, CLOSED, 11 },
	        { BROKEN, "a3", SAME, CLOSED, 11 }, { BROKEN, "a4", SAME, CLOSED, 11 },
	        { OK, "a5", SAME, CLOSED, 0 }, { BLAMED, "a1", SAME, CLOSED, 12 },
	        { BLAMED, "a2", SAME, CLOSED, 12 }, { BLAMED, "a3", SAME, CLOSED, 13 },
	        { BLAMED, "a4", OPENS, OPEN, 14 } } },
	{ "a try is never to blame",
	    { { BROKEN, "a1", SAME, CLOSED, 11 }, { OK, "a2", SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, SAME, CLOSED, 0 }, { NO_WORKER, NULL, SAME, CLOSED, 0 },
	        { NO_WORKER, NULL, OPENS, OPEN, 0 }, { COOL, NULL, SAME, TRIABLE, 0 },
	        { TRY, "a1", SAME, TRYING, 0 }, { BROKEN, "a1", OPENS, OPEN, 12 } } },
};

static struct breaker_key key(const char *entry)
{
	return (struct breaker_key){ .origin = &streams[entry[0] - 'a'],
		.id = { (uint64_t)(entry[1] - '0'), 0 } };
}

static enum breaker_change run_over(struct breaker *b, const struct step *s)
{
	struct outcome o = { .verdict = runs[s->what].told,
		.charged = runs[s->what].charged,
		.pid = s->pid };
	enum breaker_change change = breaker_verdict(b, key(s->entry), &o);
	bool forgiven = runs[s->what].charged && !runs[s->what].charged_after;

	assert_int_equal(o.verdict, runs[s->what].corrected);
	assert_int_equal(o.charged, runs[s->what].charged_after);
	assert_int_equal(o.has_delay, forgiven);
	assert_int_equal(o.delay_ms, 0);
	return change;
}

static enum breaker_change apply(struct breaker *b, const struct step *s)
{
	switch (s->what) {
	case NO_WORKER:
		return breaker_no_worker(b);
	case COOL:
		breaker_cooled(b);
		return BREAKER_UNCHANGED;
	case TRY:
		breaker_try(b, key(s->entry));
		return BREAKER_UNCHANGED;
	case LOSE:
		breaker_lost(b, key(s->entry));
		return BREAKER_UNCHANGED;
	default:
		return run_over(b, s);
	}
}

static void check_sequence(const char *name, const struct step *steps)
{
	struct breaker b;

	breaker_init(&b, &settings);
	assert_true(breaker_is_closed(&b));
	for (int i = 0; i < STEPS_MAX && steps[i].what != END; i++) {
		int change = (int)apply(&b, &steps[i]);

		if (change != steps[i].change || (int)b.state != steps[i].state)
			fail_msg("%s: step %d: change %d, state %d", name, i, change, (int)b.state);
		assert_int_equal(breaker_is_closed(&b), steps[i].state == CLOSED);
	}
}

static void test_sequences(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(sequences); i++)
		check_sequence(sequences[i].name, sequences[i].steps);
}

static enum breaker_change tell(struct breaker *b, struct breaker_key entry, enum verdict v,
    struct outcome *ret_o)
{
	*ret_o = (struct outcome){ .verdict = v, .charged = v == VERDICT_RETRY };
	return breaker_verdict(b, entry, ret_o);
}

static void open_by_streak(struct breaker *b)
{
	struct outcome o;

	assert_int_equal(tell(b, key("a1"), VERDICT_RETRY, &o), BREAKER_UNCHANGED);
	assert_int_equal(tell(b, key("a2"), VERDICT_RETRY, &o), BREAKER_UNCHANGED);
	assert_int_equal(tell(b, key("a3"), VERDICT_RETRY, &o), BREAKER_UNCHANGED);
	assert_int_equal(tell(b, key("a4"), VERDICT_RETRY, &o), BREAKER_OPENS);
}

static void fail_a_try(struct breaker *b, const char *entry, enum verdict v)
{
	struct outcome o;

	breaker_cooled(b);
	breaker_try(b, key(entry));
	assert_int_equal(tell(b, key(entry), v, &o), BREAKER_OPENS);
}

static void test_cooldown_doubles_up_to_the_cap(void **unused)
{
	static const uint64_t cooldowns_ms[] = { 2000, 4000, 8000, 16000, 32000, 64000, 128000,
		256000, CAP_MS, CAP_MS, CAP_MS };
	struct breaker b;
	struct outcome o;

	(void)unused;
	breaker_init(&b, &settings);
	for (int round = 0; round < 2; round++) {
		open_by_streak(&b);
		assert_int_equal(breaker_cooldown_ms(&b), COOLDOWN_MS);
		for (size_t i = 0; i < ARRAY_LEN(cooldowns_ms); i++) {
			fail_a_try(&b, "a1", i % 2 ? VERDICT_BROKEN : VERDICT_RETRY);
			assert_int_equal(breaker_cooldown_ms(&b), cooldowns_ms[i]);
		}
		assert_int_equal(tell(&b, key("a1"), VERDICT_OK, &o), BREAKER_CLOSES);
		assert_int_equal(breaker_cooldown_ms(&b), COOLDOWN_MS);
	}
}

static void test_a_lost_try_leaves_the_cooldown(void **unused)
{
	struct breaker b;

	(void)unused;
	breaker_init(&b, &settings);
	open_by_streak(&b);
	breaker_cooled(&b);
	breaker_try(&b, key("a1"));
	breaker_lost(&b, key("a1"));
	assert_int_equal(breaker_cooldown_ms(&b), COOLDOWN_MS);
}

static void check_may_try(const struct breaker *b, const char *last_failed)
{
	for (int n = 1; n <= 4; n++) {
		const char in_a[] = { 'a', (char)('0' + n), '\0' };
		const char in_b[] = { 'b', (char)('0' + n), '\0' };

		assert_int_equal(breaker_may_try(b, key(in_a), true), last_failed[1] != in_a[1]);
		assert_true(breaker_may_try(b, key(in_a), false));
		assert_true(breaker_may_try(b, key(in_b), true));
	}
}

static void test_the_last_that_failed_is_tried_only_alone(void **unused)
{
	struct breaker b;

	(void)unused;
	breaker_init(&b, &settings);
	open_by_streak(&b);
	breaker_cooled(&b);
	check_may_try(&b, "a4");
	fail_a_try(&b, "a2", VERDICT_RETRY);
	breaker_cooled(&b);
	check_may_try(&b, "a2");
	fail_a_try(&b, "a3", VERDICT_BROKEN);
	breaker_cooled(&b);
	check_may_try(&b, "a3");
}

static void test_nothing_is_tried_in_other_states(void **unused)
{
	struct breaker b;

	(void)unused;
	breaker_init(&b, &settings);
	assert_false(breaker_may_try(&b, key("a9"), false));
	open_by_streak(&b);
	assert_false(breaker_may_try(&b, key("a9"), false));
	breaker_cooled(&b);
	assert_true(breaker_may_try(&b, key("a9"), false));
	breaker_try(&b, key("a9"));
	assert_false(breaker_may_try(&b, key("a9"), false));
	assert_false(breaker_may_try(&b, key("a1"), false));
}

static void test_streak_of_0_never_opens_it(void **unused)
{
	const struct breaker_settings endless = { FAILURES, 0, COOLDOWN_MS };
	struct breaker b;
	struct outcome o;

	(void)unused;
	breaker_init(&b, &endless);
	for (uint64_t n = 1; n < 1000; n++) {
		struct breaker_key entry = { .origin = &streams[0], .id = { n, 0 } };

		assert_int_equal(tell(&b, entry, VERDICT_RETRY, &o), BREAKER_UNCHANGED);
	}
	assert_true(breaker_is_closed(&b));
}

/* Of n_entries that fail in turn, round after round. */
static uint32_t counted_in_two_rounds(uint64_t n_entries)
{
	const struct breaker_settings endless = { FAILURES, UINT32_MAX, COOLDOWN_MS };
	struct breaker b;
	struct outcome o;

	breaker_init(&b, &endless);
	for (uint64_t n = 0; n < 2 * n_entries; n++) {
		struct breaker_key entry = { .origin = &streams[0], .id = { n % n_entries, 1 } };

		tell(&b, entry, VERDICT_RETRY, &o);
	}
	return b.n_failed;
}

static void test_so_many_of_a_streak_are_told_apart(void **unused)
{
	(void)unused;
	assert_int_equal(counted_in_two_rounds(BREAKER_STREAK_MAX), BREAKER_STREAK_MAX);
	assert_int_equal(counted_in_two_rounds(BREAKER_STREAK_MAX + 1), 2 * BREAKER_STREAK_MAX + 2);
}

/* Entry 0 breaks a handler, then n others do; a success each keeps it closed. */
static enum verdict verdict_after_others(uint64_t n_others)
{
	struct breaker b;
	struct outcome o;

	breaker_init(&b, &settings);
	for (uint64_t n = 0; n <= n_others; n++) {
		struct breaker_key entry = { .origin = &streams[0], .id = { 100 + n, 0 } };

		tell(&b, entry, VERDICT_BROKEN, &o);
		tell(&b, key("b1"), VERDICT_OK, &o);
	}
	tell(&b, (struct breaker_key){ .origin = &streams[0], .id = { 100, 0 } }, VERDICT_BROKEN,
	    &o);
	return o.verdict;
}

static void test_so_many_that_met_a_broken_handler_are_remembered(void **unused)
{
	(void)unused;
	assert_int_equal(verdict_after_others(BREAKER_MET_MAX - 1), VERDICT_RETRY);
	assert_int_equal(verdict_after_others(BREAKER_MET_MAX), VERDICT_BROKEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_cooldown_doubles_up_to_the_cap),
		cmocka_unit_test(test_a_lost_try_leaves_the_cooldown),
		cmocka_unit_test(test_the_last_that_failed_is_tried_only_alone),
		cmocka_unit_test(test_nothing_is_tried_in_other_states),
		cmocka_unit_test(test_streak_of_0_never_opens_it),
		cmocka_unit_test(test_so_many_of_a_streak_are_told_apart),
		cmocka_unit_test(test_so_many_that_met_a_broken_handler_are_remembered),
	};

	return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
