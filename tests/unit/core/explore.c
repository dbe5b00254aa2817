/* SPDX-License-Identifier: MIT */
/*
 * States are kept in the order in which they are found, which is the queue of the search as well; a
 * table of hashes leads to them. Each remembers the step that led to it first.
 */
#include "explore.h"

#include <stdlib.h>
#include <string.h>

enum { WAY_SHIFT = 29, FIRST_EDGES = 1 << 16 };

struct origin_step {
	uint32_t from;
	uint16_t step;
};

struct search {
	const struct space *space;
	size_t n, n_max, n_ends, n_buckets;
	unsigned char *states;
	uint32_t *buckets; /* number of the state + 1 */
	struct origin_step *origins;
	uint32_t *edges; /* target, and the ways above it */
	size_t *edges_from, n_edges, edges_cap;
	unsigned char *can_end;
	size_t current;
	bool full;
};

static void *state_at(const struct search *s, size_t i)
{
	return s->states + i * s->space->state_bytes;
}

static size_t bucket_of(const struct search *s, const void *state)
{
	const unsigned char *bytes = state;
	uint64_t h = 0;

	for (size_t i = 0; i < s->space->state_bytes; i += 8) {
		size_t left = s->space->state_bytes - i;
		uint64_t word = 0;

		memcpy(&word, bytes + i, left < 8 ? left : 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return (size_t)h & (s->n_buckets - 1);
}

/* The number of the state, which is added when it is new. */
static uint32_t number_of(struct search *s, const void *state, struct origin_step origin)
{
	size_t b = bucket_of(s, state);

	for (; s->buckets[b]; b = (b + 1) & (s->n_buckets - 1)) {
		if (memcmp(state_at(s, s->buckets[b] - 1), state, s->space->state_bytes) == 0)
			return s->buckets[b] - 1;
	}
	if (s->n == s->n_max) {
		s->full = true;
		return 0;
	}
	memcpy(state_at(s, s->n), state, s->space->state_bytes);
	s->origins[s->n] = origin;
	s->buckets[b] = (uint32_t)++s->n;
	return (uint32_t)(s->n - 1);
}

struct search *search_new(const struct space *space, const void *first, size_t n_max)
{
	struct search *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct search){ .space = space, .n_max = n_max, .n_buckets = 1 };
	while (s->n_buckets < 2 * n_max)
		s->n_buckets *= 2;
	s->states = malloc(n_max * space->state_bytes);
	s->buckets = calloc(s->n_buckets, sizeof(*s->buckets));
	s->origins = calloc(n_max, sizeof(*s->origins));
	s->edges_from = calloc(n_max + 1, sizeof(*s->edges_from));
	if (!s->states || !s->buckets || !s->origins || !s->edges_from) {
		search_free(s);
		return NULL;
	}
	number_of(s, first, (struct origin_step){ 0 });
	return s;
}

void search_free(struct search *s)
{
	if (!s)
		return;
	free(s->states);
	free(s->buckets);
	free(s->origins);
	free(s->edges);
	free(s->edges_from);
	free(s->can_end);
	free(s);
}

static void add_edge(struct search *s, uint32_t to, unsigned ways)
{
	if (s->n_edges == s->edges_cap) {
		size_t cap = s->edges_cap ? 2 * s->edges_cap : FIRST_EDGES;
		uint32_t *edges = realloc(s->edges, cap * sizeof(*edges));

		if (!edges) {
			s->full = true;
			return;
		}
		s->edges = edges;
		s->edges_cap = cap;
	}
	s->edges[s->n_edges++] = to | (uint32_t)ways << WAY_SHIFT;
}

void search_step(struct search *s, uint16_t step, const void *next, unsigned ways)
{
	uint32_t to =
	    number_of(s, next, (struct origin_step){ .from = (uint32_t)s->current, .step = step });

	if (ways && to != s->current)
		add_edge(s, to, ways);
}

long search_run(struct search *s, const char **ret_wrong)
{
	const struct space *space = s->space;

	for (; s->current < s->n; s->current++) {
		const void *state = state_at(s, s->current);
		const char *wrong = space->wrong_with(space->context, state);

		s->edges_from[s->current] = s->n_edges;
		if (wrong) {
			*ret_wrong = wrong;
			return (long)s->current;
		}
		s->n_ends += space->is_end(space->context, state);
		space->expand(s, space->context, state);
		if (s->full)
			return SEARCH_FULL;
	}
	s->edges_from[s->n] = s->n_edges;
	return SEARCH_NONE;
}

static bool leads_to_an_end(const struct search *s, size_t from, unsigned way)
{
	for (size_t i = s->edges_from[from]; i < s->edges_from[from + 1]; i++) {
		uint32_t to = s->edges[i] & ((1u << WAY_SHIFT) - 1);

		if (s->edges[i] >> WAY_SHIFT & way && s->can_end[to])
			return true;
	}
	return false;
}

/* Most steps lead to states that were found later: backwards, few rounds are needed. */
static bool spread_backwards(struct search *s, unsigned way)
{
	bool changed = false;

	for (size_t i = s->n; i-- > 0;) {
		if (s->can_end[i] || !leads_to_an_end(s, i, way))
			continue;
		s->can_end[i] = true;
		changed = true;
	}
	return changed;
}

long search_stuck(struct search *s, unsigned way)
{
	free(s->can_end);
	s->can_end = calloc(s->n, 1);
	if (!s->can_end)
		return SEARCH_FULL;
	for (size_t i = 0; i < s->n; i++)
		s->can_end[i] = s->space->is_end(s->space->context, state_at(s, i));
	while (spread_backwards(s, way))
		;
	for (size_t i = 0; i < s->n; i++) {
		if (!s->can_end[i])
			return (long)i;
	}
	return SEARCH_NONE;
}

size_t search_n_states(const struct search *s)
{
	return s->n;
}

size_t search_n_ends(const struct search *s)
{
	return s->n_ends;
}

void search_print_way(const struct search *s, long state)
{
	size_t i = (size_t)state;

	if (i)
		search_print_way(s, (long)s->origins[i].from);
	s->space->print_step(s->space->context, s->origins[i].step, state_at(s, i));
}
