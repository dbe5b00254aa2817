/* SPDX-License-Identifier: MIT */
/* The space that is searched: every step of every daemon with every entry, from every state. */
#include "life.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "life_steps.h"

enum { LIVING, DEAD };

static const struct {
	const char *text;
	bool (*take)(struct life *l);
	unsigned ways;
	bool of_the_dead; /* needs no daemon that is alive */
} steps[] = {
#define X(name, its_ways, who, its_text)                                                           \
	{ .text = its_text, .take = step_##name, .ways = its_ways, .of_the_dead = who == DEAD },
	STEPS(X)
#undef X
};

static void try_step(struct search *s, const struct scope *scope, const struct world *from,
    unsigned number)
{
	unsigned i = number / PAIRS_MAX, pair = number % PAIRS_MAX;
	struct world w = *from;
	struct life l = {
		.scope = scope,
		.w = &w,
		.view = &w.views[pair],
		.daemon = (uint8_t)(pair / (unsigned)scope->n_entries),
		.entry = (uint8_t)(pair % (unsigned)scope->n_entries),
	};

	l.row = &w.rows[l.entry];
	if (scope->faults_max && !steps[i].ways && w.n_faults++ == scope->faults_max)
		return;
	if ((w.alive[l.daemon] || steps[i].of_the_dead) && steps[i].take(&l))
		search_step(s, (uint16_t)number, &w, steps[i].ways);
}

static void expand(struct search *s, const void *context, const void *state)
{
	const struct scope *scope = context;
	unsigned n_pairs = (unsigned)(scope->n_daemons * scope->n_entries);

	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		for (unsigned pair = 0; pair < n_pairs; pair++)
			try_step(s, scope, state, i * PAIRS_MAX + pair);
	}
}

static void print_views(const struct scope *scope, const struct world *w, int entry)
{
	for (int d = 0; d < scope->n_daemons; d++) {
		const struct view *v = &w->views[d * scope->n_entries + entry];

		printf(" | %s%s %u%s%s%s cmd %u", w->alive[d] ? "" : "dead ",
		    entry_state_word((enum entry_state)v->state), v->attempts,
		    v->late ? " late" : "", v->lost ? " lost" : "", v->reading ? " reading" : "",
		    v->command);
	}
}

static void print_step(const void *context, uint16_t step, const void *state)
{
	static const char *const where[] = { "new", "pending", "out" };
	const struct scope *scope = context;
	const struct world *w = state;
	int pair = step % PAIRS_MAX, entry = pair % scope->n_entries;
	const struct row *r = &w->rows[entry];

	printf("  daemon %d, entry %d: %-36s [%s of %u, count %u, begun %u%s%s%s",
	    pair / scope->n_entries, entry, steps[step / PAIRS_MAX].text, where[r->where], r->owner,
	    r->count, r->begun, r->stale ? ", stale" : "", r->no_data ? ", trimmed" : "",
	    r->faulted ? ", faulted" : "");
	print_views(scope, w, entry);
	printf("]\n");
}

void life_first(const struct scope *scope, struct world *ret_world)
{
	memset(ret_world, 0, sizeof(*ret_world));
	for (int i = 0; i < PAIRS_MAX; i++)
		ret_world->views[i].state = ENTRY_GONE;
	for (int d = 0; d < scope->n_daemons; d++)
		ret_world->alive[d] = true;
}

struct space life_space(const struct scope *scope)
{
	return (struct space){
		.state_bytes = sizeof(struct world),
		.context = scope,
		.expand = expand,
		.wrong_with = life_wrong_with,
		.is_end = life_is_end,
		.print_step = print_step,
	};
}
