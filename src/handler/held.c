/* SPDX-License-Identifier: MIT */
/*
 * One entry that is never settled while others come and go would make the ring grow without end;
 * so a full ring that is half holes is closed up instead of made longer. Its size stays below
 * four times the window.
 */
#include "handler/held.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { SMALLEST_CAP = 8, KEEP_CAP = 512 };

void held_done(struct held *h)
{
	free(h->slots);
	*h = (struct held){ 0 };
}

static void move_to(struct held *h, struct held_slot *slots, uint32_t cap)
{
	uint32_t kept = 0;

	for (uint32_t n = h->first; n != h->last; n++) {
		if (held_numbered(h, n)->entry)
			slots[kept++] = *held_numbered(h, n);
	}
	free(h->slots);
	h->slots = slots;
	h->cap = cap;
	h->first = 0;
	h->last = kept;
}

static void make_room(struct held *h)
{
	uint32_t cap = h->cap;

	if (h->last - h->first < cap)
		return;
	if (h->n >= cap / 2)
		cap = cap ? 2 * cap : SMALLEST_CAP;
	move_to(h, xmalloc(cap * sizeof(*h->slots)), cap);
}

void held_push(struct held *h, struct entry *e, uint64_t line_at, uint64_t now_ms)
{
	make_room(h);
	*held_numbered(h, h->last++) = (struct held_slot){
		.entry = e,
		.tag = e->tag,
		.line_at = line_at,
		.clock_at_ms = now_ms,
	};
	h->n++;
}

struct held_slot *held_oldest(const struct held *h)
{
	return h->n ? held_numbered(h, h->first) : NULL;
}

struct held_slot *held_find(const struct held *h, uint64_t tag)
{
	uint32_t low = h->first, n = h->last - h->first;
	struct held_slot *slot = held_oldest(h);

	if (!slot || slot->tag == tag)
		return slot;
	while (n) {
		uint32_t half = n / 2;

		if (held_numbered(h, low + half)->tag < tag) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	if (low == h->last)
		return NULL;
	slot = held_numbered(h, low);
	return slot->tag == tag && slot->entry ? slot : NULL;
}

void held_remove(struct held *h, struct held_slot *slot)
{
	assert(slot->entry);
	slot->entry = NULL;
	h->n--;
	while (h->first != h->last && !held_numbered(h, h->first)->entry)
		h->first++;
}

uint64_t held_earliest_clock(const struct held *h)
{
	uint64_t earliest = UINT64_MAX;

	assert(h->n);
	/* Clocks never start before the hand-over, and hand-overs are in order. */
	for (uint32_t n = h->first; n != h->last; n++) {
		struct held_slot *slot = held_numbered(h, n);

		if (!slot->entry)
			continue;
		if (slot->entry->handed_at_ms >= earliest)
			break;
		if (slot->clock_at_ms < earliest)
			earliest = slot->clock_at_ms;
	}
	return earliest;
}

void held_trim(struct held *h)
{
	if (!h->n && h->cap > KEEP_CAP)
		held_done(h);
}
