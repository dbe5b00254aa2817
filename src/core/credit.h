/* SPDX-License-Identifier: MIT */
/*
 * How much to ask Redis for. An entry that is read is pending on our name, in our memory and on our
 * lease clock, so no more is read than the handlers will take soon. Pure.
 */
#ifndef SLUICED_CORE_CREDIT_H
#define SLUICED_CORE_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

struct credit {
	uint32_t free;          /* entries the pool takes now */
	uint32_t round;         /* slots of all its processes that are up */
	uint32_t recent;        /* entries it finished in the last 50 ms */
	uint32_t ready;         /* read or begun, not handed over yet */
	uint32_t asked;         /* COUNTs of the reads and begins that are unanswered */
	uint64_t held;          /* entries held in all states */
	uint64_t max_held;      /* read.max_held */
	uint64_t bytes_left;    /* until max_in_flight_bytes */
	uint64_t largest_bytes; /* recent largest entry */
};

/* Entries that may be asked for now, all streams of the pool together. 0: read nothing. */
uint32_t credit_room(const struct credit *c);

/* The same without the bounds on what is held: for entries that are held already. */
uint32_t credit_room_of_pool(const struct credit *c);

/* COUNT of one read, at most read.count: a fair share of the room among the streams that want to
 * read or, where that is not worth a command, as much as is, so that they have to take turns; 0
 * when this one has to wait for more room. */
uint32_t credit_share(const struct credit *c, uint32_t room, uint32_t n_hungry, uint32_t count_max);

/* Entries finished in the last 50 ms, from a sliding pair of windows. */
struct recent {
	uint64_t window_at_ms;
	uint32_t current, previous;
};

void recent_add(struct recent *r, uint64_t now_ms, uint32_t n);
uint32_t recent_get(struct recent *r, uint64_t now_ms);

/* Whether so many entries come (recent_get) that they are better read some at a time than each by
 * itself: a read and an acknowledgement each cost more than the entry. */
bool recent_is_dense(uint32_t recent);

/* The largest of something, forgotten slowly: halves when nothing comes near it for a while. */
struct largest {
	uint64_t value;
	uint32_t smaller_since;
};

void largest_add(struct largest *l, uint64_t value);

#endif
