/* SPDX-License-Identifier: MIT */
#include "core/credit.h"

enum { RECENT_WINDOW_MS = 50, DENSE_PER_MS = 3, LARGEST_MEMORY = 1024 };

static uint32_t lower(uint64_t a, uint64_t b)
{
	uint64_t m = a < b ? a : b;

	return m < UINT32_MAX ? (uint32_t)m : UINT32_MAX;
}

uint32_t credit_room_of_pool(const struct credit *c)
{
	uint64_t ahead = c->round > c->recent ? c->round : c->recent;
	uint64_t taken = (uint64_t)c->ready + c->asked;
	uint64_t room = c->round ? c->free + ahead : 0;

	return room > taken ? lower(room - taken, UINT32_MAX) : 0;
}

uint32_t credit_room(const struct credit *c)
{
	uint64_t will_hold = c->held + c->asked;
	uint64_t left = will_hold < c->max_held ? c->max_held - will_hold : 0;
	uint64_t by_bytes = c->largest_bytes ? c->bytes_left / c->largest_bytes : UINT32_MAX;

	/* One entry is always worth a try while there are bytes left at all: the largest one seen
	 * may not come again. */
	if (!by_bytes && c->bytes_left)
		by_bytes = 1;
	by_bytes = by_bytes > c->asked ? by_bytes - c->asked : 0;
	return lower(credit_room_of_pool(c), lower(left, by_bytes));
}

uint32_t credit_share(const struct credit *c, uint32_t room, uint32_t n_hungry, uint32_t count_max)
{
	uint32_t share = room / n_hungry + (room % n_hungry > 0);
	uint32_t worth = c->round / 2 + c->round % 2;

	if (share > count_max)
		share = count_max;
	if (worth > count_max)
		worth = count_max;
	if (share >= worth)
		return share;
	/* A small read costs as much as a large one. While there is work on hand the next stream
	 * waits until a read is worth a command; the others have their turn after it. */
	if (room < worth)
		return c->ready + c->asked > 0 ? 0 : room;
	return worth;
}

static void recent_turn(struct recent *r, uint64_t now_ms)
{
	uint64_t age = now_ms - r->window_at_ms;

	if (age < RECENT_WINDOW_MS)
		return;
	r->previous = age < 2 * RECENT_WINDOW_MS ? r->current : 0;
	r->current = 0;
	r->window_at_ms = now_ms;
}

void recent_add(struct recent *r, uint64_t now_ms, uint32_t n)
{
	recent_turn(r, now_ms);
	r->current += n;
}

uint32_t recent_get(struct recent *r, uint64_t now_ms)
{
	recent_turn(r, now_ms);
	return r->current > r->previous ? r->current : r->previous;
}

bool recent_is_dense(uint32_t recent)
{
	return recent >= DENSE_PER_MS * RECENT_WINDOW_MS;
}

void largest_add(struct largest *l, uint64_t value)
{
	if (value >= l->value) {
		l->value = value;
		l->smaller_since = 0;
	} else if (value > l->value / 2) {
		l->smaller_since = 0;
	} else if (++l->smaller_since >= LARGEST_MEMORY) {
		l->value /= 2;
		l->smaller_since = 0;
	}
}
