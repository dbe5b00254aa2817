/* SPDX-License-Identifier: MIT */
/*
 * Choosing what to claim from a page of the group's pending list, and where the next page begins.
 * Pure.
 */
#ifndef SLUICED_CORE_SWEEP_H
#define SLUICED_CORE_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/entryid.h"

/* A row of XPENDING. */
struct pending_row {
	struct entryid id;
	struct slice owner; /* empty after XNACK */
	uint64_t idle_ms;
	bool nobody; /* idle is given as -1: owned by nobody */
	uint32_t deliveries;
};

/* Whether anybody may take the entry: it has been idle for the whole lease. */
static inline bool sweep_is_stale(const struct pending_row *row, uint64_t min_idle_ms)
{
	return row->nobody || row->idle_ms >= min_idle_ms;
}

/* Where a walk through a pending list is. Zero-initialise. */
struct sweep {
	struct entryid cursor; /* the next page begins above it; 0-0: at the start */
	struct entryid last;   /* of the list when its second page was due; 0-0 before */
	bool active;           /* it is under way */
};

/* After a page: true when the walk goes on behind `last`, false when the list is at its end. */
bool sweep_advance(struct sweep *s, size_t n_rows, size_t page_size, struct entryid last);

/* Pause after a page that took this long: a sweep takes a quarter of the server's time at most. */
uint64_t sweep_pause_ms(uint64_t page_took_ms);

/* The same where nobody waits for what comes of it. What took less than a millisecond, which is no
 * time by the loop's clock, counts for a whole one: that keeps it below a tenth. */
uint64_t sweep_long_pause_ms(uint64_t page_took_ms);

#endif
