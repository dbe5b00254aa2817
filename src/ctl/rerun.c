/* SPDX-License-Identifier: MIT */
/*
 * A run is on one of two lists: `running`, while the pool has its entry, or `again`, until there is
 * room for it. Those come before new ones, and a suspect waits for a process of its own.
 */
#include "ctl/rerun.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"
#include "core/origin.h"
#include "handler/pool.h"

/* An entry that takes every process along is not handed over for ever. */
enum { AGAIN_MAX = 20 };

struct run {
	struct entry entry;
	struct list_node node;
	struct packed_fields *payload;
	unsigned n_again;
};

struct rerun {
	struct rerun_spec spec;
	struct handler_host host;
	struct origin origin;
	struct pool *pool;
	struct list running, again;
	uint64_t n_broken; /* in a row */
	pid_t broken_pid;  /* of the last one */
	char *fault;
	bool is_draining, is_over;
};

static void wake(struct rerun *r)
{
	loop_stop(link_loop(r->spec.link));
}

static void run_free(struct run *run)
{
	free(run->payload);
	free(run);
}

/* ---- what the pool tells */

/* Several entries that one process leaves behind are one sign. */
static void note_broken(struct rerun *r, const struct outcome *o)
{
	if (o->pid && o->pid == r->broken_pid)
		return;
	r->broken_pid = o->pid;
	if (++r->n_broken >= r->spec.n_broken_max && !r->fault)
		r->fault = xasprintf("%.*s", (int)o->detail.len, o->detail.data);
}

static void note(struct rerun *r, const struct outcome *o)
{
	if (o->verdict == VERDICT_BROKEN)
		note_broken(r, o);
	else if (o->verdict == VERDICT_OK || o->verdict == VERDICT_DROP || o->charged)
		r->n_broken = 0;
}

/* Its process was ended for another entry, or could not be started for now. */
static bool is_no_fault_of_its(const struct outcome *o)
{
	if (o->charged)
		return false;
	return o->verdict == VERDICT_RETRY || (o->verdict == VERDICT_RELEASE && !o->pid);
}

static void tell(struct rerun *r, struct run *run, const struct outcome *o)
{
	struct outcome told = *o;

	if (is_no_fault_of_its(o))
		told.verdict = VERDICT_RELEASE;
	r->spec.on_outcome(r->spec.owner, run->entry.id, &told);
	run_free(run);
}

static void on_verdict(void *owner, struct entry *e, const struct outcome *o)
{
	struct rerun *r = owner;
	struct run *run = container_of(e, struct run, entry);

	list_remove(&r->running, &run->node);
	note(r, o);
	if (is_no_fault_of_its(o) && !r->is_draining && run->n_again++ < AGAIN_MAX) {
		e->suspect = o->suspect;
		list_append(&r->again, &run->node);
	} else {
		tell(r, run, o);
	}
	wake(r);
}

static void on_room(void *owner)
{
	wake(owner);
}

static void on_drained(void *owner)
{
	struct rerun *r = owner;

	r->is_over = true;
	wake(r);
}

static void on_broken(void *owner, const struct outcome *o)
{
	note_broken(owner, o);
	wake(owner);
}

/* ---- life */

/* Handlers can tell that their side effects happen once more. */
static char **environment_of_replay(void)
{
	char **list = handler_environment_new(environ);
	size_t n = 0;

	while (list[n])
		n++;
	list = xreallocarray(list, n + 2, sizeof(*list));
	list[n] = xstrdup("SLUICE_REPLAY=1");
	list[n + 1] = NULL;
	return list;
}

static struct pool *make_pool(struct rerun *r)
{
	struct pool_spec spec = {
		.host = &r->host,
		.settings = r->spec.handler,
		.max_attempts = r->spec.max_attempts,
		.consumer = r->spec.consumer,
		.events = { on_verdict, on_room, on_drained, on_broken },
		.owner = r,
	};

	return pool_new(&spec);
}

struct rerun *rerun_new(const struct rerun_spec *spec)
{
	struct rerun *r = xcalloc(1, sizeof(*r));

	r->spec = *spec;
	r->host.loop = link_loop(spec->link);
	r->host.environment = environment_of_replay();
	r->origin = (struct origin){ spec->stream, spec->group, spec->consumer, NULL, 0 };
	r->origin.json =
	    origin_json_new(spec->stream, spec->group, spec->consumer, &r->origin.json_len);
	list_init(&r->running);
	list_init(&r->again);
	r->pool = make_pool(r);
	pool_start(r->pool);
	return r;
}

static void free_runs(struct list *runs)
{
	while (!list_empty(runs))
		run_free(container_of(list_pop(runs), struct run, node));
}

void rerun_free(struct rerun *r)
{
	if (!r)
		return;
	pool_free(r->pool);
	free_runs(&r->running);
	free_runs(&r->again);
	handler_environment_free(r->host.environment);
	free(r->origin.json);
	free(r->fault);
	free(r);
}

const char *rerun_fault(const struct rerun *r)
{
	return r->fault;
}

/* ---- handing over */

static void offer(struct rerun *r, struct run *run)
{
	struct fields f = fields_unpacked(run->payload);

	list_append(&r->running, &run->node);
	pool_offer(r->pool, &run->entry, &f);
}

bool rerun_has_room(const struct rerun *r)
{
	return !r->fault && list_empty(&r->again) && pool_room(r->pool) > 0;
}

void rerun_offer(struct rerun *r, struct entryid id, const struct fields *f)
{
	struct run *run = xcalloc(1, sizeof(*run));

	run->entry = (struct entry){
		.id = id,
		.origin = &r->origin,
		.state = ENTRY_RUNNING,
		.attempts = 1,
	};
	run->payload = fields_pack(f);
	offer(r, run);
}

static bool has_room_for(const struct rerun *r, const struct run *run)
{
	return run->entry.suspect ? pool_room_alone(r->pool) : pool_room(r->pool) > 0;
}

static void offer_again(struct rerun *r)
{
	while (!r->fault && !list_empty(&r->again)) {
		struct run *run = container_of(list_first(&r->again), struct run, node);

		if (!has_room_for(r, run))
			return;
		list_remove(&r->again, &run->node);
		offer(r, run);
	}
}

void rerun_turn(struct rerun *r, uint64_t ms)
{
	link_turn(r->spec.link, ms);
	if (!r->is_draining)
		offer_again(r);
}

/* ---- the end */

bool rerun_is_idle(const struct rerun *r)
{
	return list_empty(&r->running) && list_empty(&r->again);
}

void rerun_drain(struct rerun *r)
{
	static const struct outcome not_run = { .verdict = VERDICT_RELEASE, .exit_status = -1 };

	if (r->is_draining)
		return;
	r->is_draining = true;
	while (!list_empty(&r->again))
		tell(r, container_of(list_pop(&r->again), struct run, node), &not_run);
	pool_drain(r->pool);
}

void rerun_kill(struct rerun *r)
{
	pool_kill(r->pool);
}

bool rerun_is_over(const struct rerun *r)
{
	return r->is_over;
}
