/* SPDX-License-Identifier: MIT */
#include "redis/waiting.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "redis/reply.h"

enum { FIRST_CAP = 2 /* a stream is mostly read with one command, or two */ };

static void grow(struct waiting *w)
{
	size_t cap = w->cap ? 2 * w->cap : FIRST_CAP;
	struct waiting_command *ring = xreallocarray(NULL, cap, sizeof(*ring));

	for (size_t i = 0; i < w->len; i++)
		ring[i] = w->ring[(w->first + i) & (w->cap - 1)];
	free(w->ring);
	w->ring = ring;
	w->cap = cap;
	w->first = 0;
}

static uint64_t due_at_ms(const struct waiting *w)
{
	return w->len ? w->ring[w->first].deadline_at_ms : UINT64_MAX;
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct waiting *w = timer->data;

	(void)ev;
	(void)events;
	if (loop_now_ms(w->loop) >= due_at_ms(w))
		w->on_overdue(w->owner);
	else
		waiting_watch(w);
}

void waiting_init(struct waiting *w)
{
	ev_init(&w->timer, on_timer);
	w->timer.data = w;
}

void waiting_shrink(struct waiting *w)
{
	if (w->len)
		return;
	free(w->ring);
	w->ring = NULL;
	w->first = w->cap = 0;
}

void waiting_done(struct waiting *w)
{
	waiting_unwatch(w);
	w->len = 0;
	waiting_shrink(w);
}

/* The timer is moved only when it would fire too late: with one that fires early, a command costs
 * no timer. */
void waiting_watch(struct waiting *w)
{
	uint64_t now_ms = loop_now_ms(w->loop), at_ms = due_at_ms(w);

	if (!w->len || (ev_is_active(&w->timer) && w->timer_at_ms <= at_ms))
		return;
	w->timer_at_ms = at_ms;
	loop_timer_in(w->loop, &w->timer, at_ms > now_ms ? at_ms - now_ms : 0);
}

void waiting_unwatch(struct waiting *w)
{
	ev_timer_stop(loop_ev(w->loop), &w->timer);
}

void waiting_fail(struct waiting *w)
{
	size_t n = w->len;

	while (n--) {
		struct waiting_command c = waiting_pop(w);

		c.on_reply(c.owner, c.request, NULL);
	}
}

void waiting_push(struct waiting *w, struct waiting_command c)
{
	if (w->len == w->cap)
		grow(w);
	w->ring[(w->first + w->len++) & (w->cap - 1)] = c;
}

struct waiting_command waiting_pop(struct waiting *w)
{
	struct waiting_command c;

	assert(w->len > 0);
	c = w->ring[w->first];
	w->first = (w->first + 1) & (w->cap - 1);
	w->len--;
	return c;
}

void waiting_abandon(struct waiting *w, const void *owner)
{
	/* A callback may append commands of its own: those are not abandoned. */
	size_t n = w->len;

	for (size_t i = 0; i < n; i++) {
		struct waiting_command *c = &w->ring[(w->first + i) & (w->cap - 1)];
		struct waiting_command abandoned = *c;

		if (c->owner != owner)
			continue;
		c->on_reply = reply_ignored;
		c->owner = c->request = NULL;
		abandoned.on_reply(abandoned.owner, abandoned.request, NULL);
	}
}
