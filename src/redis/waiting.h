/* SPDX-License-Identifier: MIT */
/* The commands of a connection that wait for their replies, in the order in which they were sent,
 * and the time after which the oldest has waited too long. */
#ifndef SLUICED_REDIS_WAITING_H
#define SLUICED_REDIS_WAITING_H

#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

struct reply;

struct waiting_command {
	void (*on_reply)(void *owner, void *request, const struct reply *reply);
	void *owner, *request;
	uint64_t deadline_at_ms;
};

struct waiting {
	struct loop *loop;
	void *owner;
	void (*on_overdue)(void *owner);

	struct waiting_command *ring;
	size_t first, len, cap; /* cap: 0 or a power of two */
	ev_timer timer;
	uint64_t timer_at_ms;
};

/* The first members, down to on_overdue, are set by the caller. */
void waiting_init(struct waiting *w);
void waiting_done(struct waiting *w);

/* Less than before will wait from now on: gives up its memory, when nothing does now. */
void waiting_shrink(struct waiting *w);

void waiting_push(struct waiting *w, struct waiting_command c);

/* The oldest, which is taken out; there must be one. */
struct waiting_command waiting_pop(struct waiting *w);

/* After some were pushed or taken out: has on_overdue called when the oldest is not taken out in
 * time. */
void waiting_watch(struct waiting *w);

/* No longer watches, until the next waiting_watch(). */
void waiting_unwatch(struct waiting *w);

/* Takes out all that are there now, and tells each of their owners that there will be no reply
 * (NULL). */
void waiting_fail(struct waiting *w);

/* Tells the owner of these commands that there will be no reply (NULL). The replies that come are
 * thrown away. */
void waiting_abandon(struct waiting *w, const void *owner);

#endif
