/* SPDX-License-Identifier: MIT */
/*
 * Owns the pools of a consumer: the one that entries are handed to and, after a reload has changed
 * the handler, those before it, which finish what they have and go. The new one gets the processes
 * that the old ones give up, one by one, and one more: work never stops, and no more than one
 * process beyond the concurrency is there at any time.
 *
 * Invariant: each pool keeps the configuration that its handlers were started with.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "consumer/stream.h"

enum { RELIEF_MS = 50 };

struct pool_use {
	struct list_node node;
	struct consumer *consumer;
	struct config *config;
	struct pool *pool;
	bool drained;
};

static struct pool_use *current(const struct consumer *c)
{
	return container_of(c->pools.head.prev, struct pool_use, node);
}

static uint32_t n_processes_of_old(const struct consumer *c)
{
	uint32_t n = 0;

	list_foreach(&c->pools, node) {
		const struct pool_use *u = container_of(node, struct pool_use, node);

		if (u->pool != c->pool)
			n += pool_processes(u->pool);
	}
	return n;
}

/* ---- events of pools ---- */

static void on_verdict(void *owner, struct entry *e, const struct outcome *o)
{
	const struct pool_use *u = owner;

	verdict_arrived(u->consumer, e, o);
}

static void on_room(void *owner)
{
	const struct pool_use *u = owner;

	consumer_wake(u->consumer);
}

static void on_broken(void *owner, const struct outcome *o)
{
	const struct pool_use *u = owner;

	(void)o;
	/* That the handler which is being replaced is broken says nothing of its successor. */
	if (u->pool == u->consumer->pool)
		trial_no_worker(u->consumer);
}

static bool all_drained(const struct consumer *c)
{
	list_foreach(&c->pools, node) {
		if (!container_of(node, struct pool_use, node)->drained)
			return false;
	}
	return true;
}

static void on_drained(void *owner)
{
	struct pool_use *u = owner;
	struct consumer *c = u->consumer;

	u->drained = true;
	if (!c->draining) {
		loop_defer(c->host->loop, &c->retire);
		return;
	}
	if (!all_drained(c))
		return;
	c->pool_drained = true;
	consumer_wake(c);
	c->host->on_runs_over(c->host->owner);
}

/* ---- one after the other ---- */

static void use_free(struct pool_use *u)
{
	list_remove(&u->consumer->pools, &u->node);
	pool_free(u->pool);
	config_free(u->config);
	free(u);
}

static void on_retire(struct deferred *d)
{
	struct consumer *c = container_of(d, struct consumer, retire);

	list_foreach_safe(&c->pools, node) {
		struct pool_use *u = container_of(node, struct pool_use, node);

		if (u->drained && u->pool != c->pool)
			use_free(u);
	}
}

/* What the old pools still use, the new one has to wait for. */
static void give_relief(struct consumer *c)
{
	uint32_t wanted =
	    c->concurrency ? c->concurrency : (uint32_t)c->settings->handler.concurrency;
	uint32_t n_old = n_processes_of_old(c);

	pool_set_concurrency(c->pool, n_old < wanted ? wanted - n_old : 1);
	if (n_old)
		loop_timer_in(c->host->loop, &c->relief, RELIEF_MS);
}

static void on_relief(struct ev_loop *ev, ev_timer *w, int events)
{
	struct consumer *c = w->data;

	(void)ev;
	(void)events;
	if (!c->draining)
		give_relief(c);
}

static struct pool *make_pool(struct pool_use *u)
{
	struct consumer *c = u->consumer;

	return pool_new(&(struct pool_spec){
	    .host = c->host->handlers,
	    .settings = &c->settings->handler,
	    .max_attempts = c->settings->retry.max_attempts,
	    .consumer = c->name,
	    .events = { .on_verdict = on_verdict,
	        .on_room = on_room,
	        .on_drained = on_drained,
	        .on_broken = on_broken,
	    },
	    .owner = u,
	});
}

void pools_renew(struct consumer *c)
{
	struct pool_use *old = list_empty(&c->pools) ? NULL : current(c);
	struct pool_use *u = xcalloc(1, sizeof(*u));

	u->consumer = c;
	u->config = config_keep(c->config);
	u->pool = make_pool(u);
	list_append(&c->pools, &u->node);
	c->pool = u->pool;
	if (!old)
		return;
	trial_renewed(c);
	pool_drain(old->pool);
	give_relief(c);
	pool_start(c->pool);
}

void pools_resize(struct consumer *c)
{
	if (!c->draining)
		give_relief(c);
}

void pools_drain(struct consumer *c)
{
	list_foreach(&c->pools, node) {
		pool_drain(container_of(node, struct pool_use, node)->pool);
	}
}

void pools_kill(struct consumer *c)
{
	list_foreach(&c->pools, node) {
		const struct pool_use *u = container_of(node, struct pool_use, node);

		if (!u->drained)
			pool_kill(u->pool);
	}
}

void pools_each(const struct consumer *c, void (*visit)(void *context, const struct pool *p),
    void *context)
{
	list_foreach(&c->pools, node) {
		visit(context, container_of(node, struct pool_use, node)->pool);
	}
}

void pools_init(struct consumer *c)
{
	list_init(&c->pools);
	c->retire.run = on_retire;
	ev_init(&c->relief, on_relief);
	c->relief.data = c;
}

void pools_done(struct consumer *c)
{
	ev_timer_stop(loop_ev(c->host->loop), &c->relief);
	loop_undefer(c->host->loop, &c->retire);
	list_foreach_safe(&c->pools, node) {
		use_free(container_of(node, struct pool_use, node));
	}
}
