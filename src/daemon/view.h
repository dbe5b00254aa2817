/* SPDX-License-Identifier: MIT */
/* What the pages of the control interface are made from. */
#ifndef SLUICED_DAEMON_VIEW_H
#define SLUICED_DAEMON_VIEW_H

#include "consumer/status.h"
#include "daemon/roster.h"

struct view {
	struct loop *loop;
	const struct roster *roster;
	const char *instance, *hostname;
	const char *state; /* of the daemon: "running", … */
	uint64_t started_at_ms, started_wall_ms;
};

/* Entries in the states that are shown by one word. */
static inline size_t view_held(const struct entry_totals *totals, const char *word)
{
	size_t n = 0;

	for (unsigned state = 0; state < ENTRY_STATE_COUNT; state++)
		if (strcmp(entry_state_word((enum entry_state)state), word) == 0)
			n += totals->in[state];
	return n;
}

/* The words, with NULL behind the last. */
#define VIEW_HELD_WORDS                                                                            \
	{                                                                                          \
		"ready", "waiting", "running", "acking", "burying", NULL                           \
	}

#endif
