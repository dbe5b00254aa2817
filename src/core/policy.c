/* SPDX-License-Identifier: MIT */
#include "core/policy.h"

/* Runs above the threshold that an entry may arrive with and still be run: each may be a crash of
 * the daemon that was nobody's fault. */
enum { SLACK_ATTEMPTS = 3 };

const char *dead_reason_word(enum dead_reason r)
{
	static const char *const words[DEAD_REASON_COUNT] = {
		[DEAD_REJECTED] = "rejected",
		[DEAD_ATTEMPTS] = "attempts",
		[DEAD_TRIMMED] = "trimmed",
		[DEAD_OVERSIZE] = "oversize",
	};

	return words[r];
}

uint64_t policy_backoff_ms(const struct retry_settings *r, uint32_t attempts, uint64_t dice)
{
	double delay = (double)r->initial_delay_ms;
	uint64_t whole;

	if (r->multiplier > 1 && delay > 0) {
		for (uint32_t n = 1; n < attempts && delay < (double)r->max_delay_ms; n++)
			delay *= r->multiplier;
	}
	whole = delay < (double)r->max_delay_ms ? (uint64_t)delay : r->max_delay_ms;
	return r->jitter ? whole - dice % (whole / 2 + 1) : whole;
}

/* A handler may name any delay; a year is as good as for ever, and adds up without overflow. */
static const uint64_t DELAY_MAX_MS = 365ull * 24 * 3600 * 1000;

static struct decision wait_for(uint64_t delay_ms)
{
	return (struct decision){ .action = ACTION_WAIT, .delay_ms = delay_ms };
}

static struct decision bury(const struct policy *p, enum dead_reason reason)
{
	if (p->dead_letter_off && reason != DEAD_TRIMMED)
		return wait_for(p->retry->max_delay_ms);
	return (struct decision){ .action = ACTION_BURY, .reason = reason };
}

static struct decision after_failure(const struct policy *p, const struct outcome *o,
    uint32_t attempts, uint64_t dice)
{
	if (o->verdict == VERDICT_DEAD)
		return bury(p, DEAD_REJECTED);
	if (p->retry->max_attempts && attempts >= p->retry->max_attempts)
		return bury(p, DEAD_ATTEMPTS);
	if (o->has_delay)
		return wait_for(o->delay_ms < DELAY_MAX_MS ? o->delay_ms : DELAY_MAX_MS);
	return wait_for(policy_backoff_ms(p->retry, attempts, dice));
}

struct decision policy_decide(const struct policy *p, const struct outcome *o, uint32_t attempts,
    bool trimmed, uint64_t dice)
{
	struct decision d;

	if (o->verdict == VERDICT_OK || o->verdict == VERDICT_DROP)
		return (struct decision){ .action = ACTION_ACK };
	if (trimmed)
		return bury(p, DEAD_TRIMMED);
	if (o->verdict == VERDICT_RELEASE || o->verdict == VERDICT_BROKEN)
		return (struct decision){ .action = ACTION_RELEASE, .forgiven = !o->charged };
	if (o->charged)
		return after_failure(p, o, attempts, dice);
	d = wait_for(o->has_delay ? o->delay_ms : 0);
	d.forgiven = true;
	return d;
}

bool policy_kills_daemons(const struct policy *p, uint32_t attempts)
{
	return !p->dead_letter_off && p->retry->max_attempts &&
	       attempts > p->retry->max_attempts + SLACK_ATTEMPTS;
}
