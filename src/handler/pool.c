/* SPDX-License-Identifier: MIT */
/* The door to both modes. What they do alike is in common.c, the rest in crew.c and exec.c. */
#include "handler/pool.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "handler/common.h"
#include "handler/crew.h"
#include "handler/exec.h"

/* One of crew and execs is NULL. */
struct pool {
	struct common common;
	struct crew *crew;
	struct execs *execs;
};

struct pool *pool_new(const struct pool_spec *spec)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	common_init(&p->common, spec);
	if (spec->settings->mode == HANDLER_WORKER)
		p->crew = crew_new(&p->common);
	else
		p->execs = execs_new(&p->common);
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	crew_free(p->crew);
	execs_free(p->execs);
	common_done(&p->common);
	free(p);
}

void pool_start(struct pool *p)
{
	if (p->crew)
		crew_start(p->crew);
}

void pool_set_concurrency(struct pool *p, uint32_t n)
{
	if (p->common.draining || p->common.concurrency == n)
		return;
	p->common.concurrency = n;
	if (p->crew)
		crew_resize(p->crew);
	if (pool_room(p))
		common_room(&p->common);
}

uint32_t pool_concurrency(const struct pool *p)
{
	return p->common.concurrency;
}

uint32_t pool_room(const struct pool *p)
{
	return p->crew ? p->crew->room : execs_room(p->execs);
}

uint32_t pool_round(const struct pool *p)
{
	return p->crew ? crew_round(p->crew) : p->common.concurrency;
}

bool pool_room_alone(const struct pool *p)
{
	return p->crew ? !list_empty(&p->crew->idle) : execs_room(p->execs) > 0;
}

void pool_offer(struct pool *p, struct entry *e, const struct fields *f)
{
	if (p->crew)
		crew_offer(p->crew, e, f);
	else
		execs_offer(p->execs, e, f);
}

void pool_drain(struct pool *p)
{
	if (p->common.draining)
		return;
	p->common.draining = true;
	if (p->crew)
		crew_drain(p->crew);
	else
		execs_drain(p->execs);
}

void pool_kill(struct pool *p)
{
	if (p->crew)
		crew_kill(p->crew);
	else
		execs_kill(p->execs);
}

const struct pool_counters *pool_counters(const struct pool *p)
{
	return &p->common.counters;
}

uint32_t pool_processes(const struct pool *p)
{
	return p->crew ? crew_processes(p->crew) : execs_processes(p->execs);
}

uint32_t pool_workers_in(const struct pool *p, enum worker_state state)
{
	return p->crew ? p->crew->n_in_state[state] : 0;
}

void pool_each_process(const struct pool *p,
    void (*visit)(void *context, const struct pool_process *process), void *context)
{
	if (p->crew)
		crew_each_process(p->crew, visit, context);
	else
		execs_each_process(p->execs, visit, context);
}
