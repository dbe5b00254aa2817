/* SPDX-License-Identifier: MIT */
/* What is promised, as questions to a state. */
#include "life.h"

/* A run in time: its daemon is alive and, by its own clock, holds the lease. */
static bool runs_in_time(const struct scope *scope, const struct world *w, int daemon, int entry)
{
	const struct view *v = &w->views[daemon * scope->n_entries + entry];

	return w->alive[daemon] && v->state == ENTRY_RUNNING && !v->late;
}

static bool is_touched(const struct scope *scope, const struct world *w, int entry)
{
	for (int d = 0; d < scope->n_daemons; d++) {
		const struct view *v = &w->views[d * scope->n_entries + entry];

		if (life_is_held(v) || v->reading || v->command)
			return true;
	}
	return false;
}

/* Data that is gone cannot be renewed: such an entry may be recorded while its run goes on. */
static const char *wrong_run(const struct row *r, const struct view *v, int daemon)
{
	if (r->succeeded || r->no_data)
		return NULL;
	if (r->where != PENDING || r->owner != daemon)
		return "an entry was taken from under a run whose lease was renewed in time";
	return r->count == v->attempts ? NULL : "the count is not the number of the run";
}

static const char *wrong_runs(const struct scope *scope, const struct world *w, int entry)
{
	int n_in_time = 0;

	for (int d = 0; d < scope->n_daemons; d++) {
		const char *wrong;

		if (!runs_in_time(scope, w, d, entry))
			continue;
		n_in_time++;
		wrong = wrong_run(&w->rows[entry], &w->views[d * scope->n_entries + entry], d);
		if (wrong)
			return wrong;
	}
	return n_in_time > 1 ? "two runs at once, both in time" : NULL;
}

static const char *wrong_count(const struct scope *scope, const struct world *w, int entry)
{
	const struct row *r = &w->rows[entry];

	if (r->where != PENDING)
		return NULL;
	if (r->count < r->begun)
		return "the count is lower than the runs begun and not forgiven";
	if (r->faulted)
		return NULL;
	if (r->count > r->begun + (is_touched(scope, w, entry) ? 1 : 0))
		return "the count holds what has not run, though nothing went wrong";
	return NULL;
}

static const char *wrong_place(const struct row *r)
{
	if (r->where == OUT && !r->succeeded && !r->recorded)
		return "it left the pending list without a success or a dead letter";
	return r->recorded > 1 ? "two dead letters of one entry" : NULL;
}

static const char *wrong_step(uint8_t wrong)
{
	static const char *const texts[WRONG_COUNT_OF_KINDS] = {
		[WRONG_MOVE] = "a move that is not in the table",
		[WRONG_STARTED_TWICE] = "an entry that is held was started again",
		[WRONG_COUNT] = "the count grows without bound",
	};

	return texts[wrong];
}

const char *life_wrong_with(const void *context, const void *world)
{
	const struct scope *scope = context;
	const struct world *w = world;
	const char *wrong = wrong_step(w->wrong);

	for (int e = 0; e < scope->n_entries && !wrong; e++) {
		wrong = wrong_place(&w->rows[e]);
		if (!wrong)
			wrong = wrong_runs(scope, w, e);
		if (!wrong)
			wrong = wrong_count(scope, w, e);
	}
	return wrong;
}

bool life_is_end(const void *context, const void *world)
{
	const struct scope *scope = context;
	const struct world *w = world;

	for (int e = 0; e < scope->n_entries; e++) {
		if (w->rows[e].where != OUT || is_touched(scope, w, e))
			return false;
	}
	return true;
}
