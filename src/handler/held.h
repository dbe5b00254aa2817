/* SPDX-License-Identifier: MIT */
/*
 * The entries outstanding in one worker, in the order of their hand-over, which is the order of
 * their tags. A ring: verdicts in order cost nothing to find, others a binary search; a settled
 * entry in the middle leaves a hole.
 */
#ifndef SLUICED_HANDLER_HELD_H
#define SLUICED_HANDLER_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/entry.h"

struct held_slot {
	struct entry *entry; /* NULL: settled */
	uint64_t tag;
	uint64_t line_at;     /* where in the worker's input its line begins */
	uint64_t clock_at_ms; /* hand-over or last `working` */
	bool timed_out;
};

/* A zeroed struct held holds nothing. */
struct held {
	struct held_slot *slots;
	uint32_t cap;         /* 0 or a power of two */
	uint32_t first, last; /* slots[first, last), counted on without end; the first is no hole */
	uint32_t n;           /* entries */
};

void held_done(struct held *h);

/* e->tag is higher than all before. */
void held_push(struct held *h, struct entry *e, uint64_t line_at, uint64_t now_ms);

/* NULL where the tag is not outstanding. Valid until the next push. */
struct held_slot *held_find(const struct held *h, uint64_t tag);

/* Leaves the numbers of the others as they are. */
void held_remove(struct held *h, struct held_slot *slot);

/* NULL when there is none. */
struct held_slot *held_oldest(const struct held *h);

/* Slot number n, for n from h->first up to h->last; it may be a hole. */
static inline struct held_slot *held_numbered(const struct held *h, uint32_t n)
{
	return &h->slots[n & (h->cap - 1)];
}

/* The lowest clock_at_ms; there must be an entry. */
uint64_t held_earliest_clock(const struct held *h);

/* Gives memory back that a quiet worker does not need. */
void held_trim(struct held *h);

#endif
