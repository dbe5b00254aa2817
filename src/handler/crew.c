/* SPDX-License-Identifier: MIT */
/*
 * Choosing a worker is taking the first of a list, whatever their number; the lists and the sum of
 * all room are kept up to date by one function that looks at a worker's facts.
 */
#include "handler/crew.h"

#include <stdlib.h>

#include "base/alloc.h"

/* Starting a process takes some 0.1 ms of the loop. */
enum { STARTS_PER_TURN = 8 };

static void set_listed(struct list *l, struct list_node *n, bool wanted)
{
	if (wanted && !list_listed(n))
		list_append(l, n);
	else if (!wanted && list_listed(n))
		list_remove(l, n);
}

void crew_worker_changed(struct crew *c, struct worker *w)
{
	uint32_t room = worker_room(w);

	c->room += room - w->room;
	w->room = room;
	set_listed(&c->with_room, &w->room_node, room > 0);
	set_listed(&c->idle, &w->idle_node, room > 0 && !w->held.n);
}

void crew_worker_event(struct crew *c, struct worker *w, enum worker_event event)
{
	c->n_in_state[w->state]--;
	w->state = (uint8_t)worker_state_after((enum worker_state)w->state, event);
	c->n_in_state[w->state]++;
	crew_worker_changed(c, w);
	common_count_down(c->common, crew_processes(c));
}

static void on_starter(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct crew *c = container_of(timer, struct crew, starter);

	(void)ev;
	(void)events;
	for (int i = 0; i < STARTS_PER_TURN && !list_empty(&c->starting); i++)
		worker_start(container_of(list_pop(&c->starting), struct worker, start_node));
	if (!list_empty(&c->starting))
		loop_timer_in(c->common->loop, &c->starter, 0);
}

void crew_start_soon(struct crew *c, struct worker *w)
{
	set_listed(&c->starting, &w->start_node, true);
	if (!ev_is_active(&c->starter))
		loop_timer_in(c->common->loop, &c->starter, 0);
}

void crew_forget(struct crew *c, struct worker *w)
{
	set_listed(&c->with_room, &w->room_node, false);
	set_listed(&c->idle, &w->idle_node, false);
	set_listed(&c->starting, &w->start_node, false);
}

struct crew *crew_new(struct common *common)
{
	struct crew *c = xcalloc(1, sizeof(*c));

	c->common = common;
	c->n_workers = (uint32_t)common->settings->concurrency;
	c->n_in_state[WORKER_DOWN] = c->n_workers;
	list_init(&c->with_room);
	list_init(&c->idle);
	list_init(&c->starting);
	ev_init(&c->starter, on_starter);
	c->workers = xcalloc(c->n_workers, sizeof(*c->workers));
	for (uint32_t i = 0; i < c->n_workers; i++)
		c->workers[i] = worker_new(c, common);
	return c;
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n_workers; i++)
		worker_free(c->workers[i]);
	ev_timer_stop(loop_ev(c->common->loop), &c->starter);
	free(c->workers);
	free(c);
}

void crew_start(struct crew *c)
{
	for (uint32_t i = 0; i < c->n_workers; i++)
		crew_start_soon(c, c->workers[i]);
}

uint32_t crew_round(const struct crew *c)
{
	return c->n_in_state[WORKER_UP] * (uint32_t)c->common->settings->window;
}

uint32_t crew_processes(const struct crew *c)
{
	return c->n_workers - c->n_in_state[WORKER_DOWN];
}

static struct worker *next_worker(struct crew *c, const struct entry *e)
{
	if (e->suspect)
		return container_of(list_first(&c->idle), struct worker, idle_node);
	return container_of(list_first(&c->with_room), struct worker, room_node);
}

void crew_offer(struct crew *c, struct entry *e, const struct fields *f)
{
	struct worker *w = next_worker(c, e);

	worker_take(w, e, f);
	if (c->with_room.len > 1 && list_listed(&w->room_node)) {
		list_remove(&c->with_room, &w->room_node);
		list_append(&c->with_room, &w->room_node);
	}
}

void crew_drain(struct crew *c)
{
	for (uint32_t i = 0; i < c->n_workers; i++)
		worker_drain(c->workers[i]);
	common_count_down(c->common, crew_processes(c));
}

void crew_kill(struct crew *c)
{
	for (uint32_t i = 0; i < c->n_workers; i++)
		worker_kill(c->workers[i]);
}
