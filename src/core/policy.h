/* SPDX-License-Identifier: MIT */
/* What becomes of an entry after a run, or on arrival. Pure: the dice come from the caller. */
#ifndef SLUICED_CORE_POLICY_H
#define SLUICED_CORE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/settings.h"
#include "core/verdict.h"

/* The words of sluice.reason. */
enum dead_reason { DEAD_REJECTED, DEAD_ATTEMPTS, DEAD_TRIMMED, DEAD_OVERSIZE, DEAD_REASON_COUNT };

const char *dead_reason_word(enum dead_reason r);

enum action {
	ACTION_ACK,     /* acknowledge */
	ACTION_WAIT,    /* hold it, and run it again after delay_ms */
	ACTION_BURY,    /* dead-letter it, for `reason` */
	ACTION_RELEASE, /* give it back to the group */
};

struct decision {
	enum action action;
	uint64_t delay_ms;       /* ACTION_WAIT */
	enum dead_reason reason; /* ACTION_BURY */
	bool forgiven;           /* the run does not count: attempts - 1 */
};

struct policy {
	const struct retry_settings *retry;
	bool dead_letter_off;
};

/* After run number `attempts`; `trimmed`: its data is gone from the stream. */
struct decision policy_decide(const struct policy *p, const struct outcome *o, uint32_t attempts,
    bool trimmed, uint64_t dice);

/* Pause before the run that follows run number `attempts`. */
uint64_t policy_backoff_ms(const struct retry_settings *r, uint32_t attempts, uint64_t dice);

/* Whether an entry that arrives with this many runs behind it is dead-lettered unrun: it has gone
 * so far past the threshold that it must be what kills the daemons. */
bool policy_kills_daemons(const struct policy *p, uint32_t attempts);

#endif
