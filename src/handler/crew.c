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
	if (w->retired && w->state == WORKER_DOWN)
		loop_defer(c->common->loop, &c->bury);
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

static void on_bury(struct deferred *d)
{
	struct crew *c = container_of(d, struct crew, bury);

	list_foreach_safe(&c->retired, node) {
		struct worker *w = container_of(node, struct worker, retired_node);

		if (w->state != WORKER_DOWN)
			continue;
		list_remove(&c->retired, node);
		c->n_in_state[WORKER_DOWN]--;
		worker_free(w);
	}
}

static void add_workers(struct crew *c, uint32_t n)
{
	c->workers = xreallocarray(c->workers, c->n_workers + n, sizeof(struct worker *));
	c->n_in_state[WORKER_DOWN] += n;
	while (n--) {
		struct worker *w = c->workers[c->n_workers++] = worker_new(c, c->common);

		if (c->started)
			crew_start_soon(c, w);
	}
}

static void retire_last(struct crew *c)
{
	struct worker *w = c->workers[--c->n_workers];

	w->retired = true;
	list_append(&c->retired, &w->retired_node);
	worker_drain(w);
	if (w->state == WORKER_DOWN)
		loop_defer(c->common->loop, &c->bury);
}

void crew_resize(struct crew *c)
{
	uint32_t wanted = c->common->concurrency;

	if (wanted > c->n_workers)
		add_workers(c, wanted - c->n_workers);
	while (wanted < c->n_workers)
		retire_last(c);
}

struct crew *crew_new(struct common *common)
{
	struct crew *c = xcalloc(1, sizeof(*c));

	c->common = common;
	c->bury.run = on_bury;
	list_init(&c->retired);
	list_init(&c->with_room);
	list_init(&c->idle);
	list_init(&c->starting);
	ev_init(&c->starter, on_starter);
	crew_resize(c);
	return c;
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < c->n_workers; i++)
		worker_free(c->workers[i]);
	while (!list_empty(&c->retired))
		worker_free(container_of(list_pop(&c->retired), struct worker, retired_node));
	loop_undefer(c->common->loop, &c->bury);
	ev_timer_stop(loop_ev(c->common->loop), &c->starter);
	free(c->workers);
	free(c);
}

void crew_start(struct crew *c)
{
	c->started = true;
	for (uint32_t i = 0; i < c->n_workers; i++)
		crew_start_soon(c, c->workers[i]);
}

uint32_t crew_round(const struct crew *c)
{
	return c->n_in_state[WORKER_UP] * (uint32_t)c->common->settings->window;
}

uint32_t crew_processes(const struct crew *c)
{
	return c->n_workers + (uint32_t)c->retired.len - c->n_in_state[WORKER_DOWN];
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
	list_foreach(&c->retired, node) {
		worker_kill(container_of(node, struct worker, retired_node));
	}
}

static struct pool_process process_of(const struct worker *w)
{
	return (struct pool_process){
		.pid = w->child.pid,
		.state = (enum worker_state)w->state,
		.n_entries = w->held.n,
	};
}

void crew_each_process(const struct crew *c,
    void (*visit)(void *context, const struct pool_process *process), void *context)
{
	for (uint32_t i = 0; i < c->n_workers; i++) {
		struct pool_process process = process_of(c->workers[i]);

		if (process.state != WORKER_DOWN)
			visit(context, &process);
	}
	list_foreach(&c->retired, node) {
		struct pool_process process =
		    process_of(container_of(node, struct worker, retired_node));

		if (process.state != WORKER_DOWN)
			visit(context, &process);
	}
}
