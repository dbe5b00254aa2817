/* SPDX-License-Identifier: MIT */
/*
 * Breadth-first search through all states that a model can get into: finds the shortest way to a
 * state that is wrong, and states from which there is no way to the end.
 */
#ifndef SLUICED_TESTS_EXPLORE_H
#define SLUICED_TESTS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct search;

/* A model. States are compared byte by byte: padding must be zero. */
struct space {
	size_t state_bytes;
	const void *context;
	/* Calls search_step() for each state that may follow this one. */
	void (*expand)(struct search *s, const void *context, const void *state);
	/* NULL, or what is wrong with the state. */
	const char *(*wrong_with)(const void *context, const void *state);
	bool (*is_end)(const void *context, const void *state);
	void (*print_step)(const void *context, uint16_t step, const void *state);
};

enum { SEARCH_NONE = -1, SEARCH_FULL = -2 };

/* The search through at most n_max states begins at first. NULL: out of memory. */
struct search *search_new(const struct space *space, const void *first, size_t n_max);
void search_free(struct search *s);

/* For expand(). ways: in which of the runs of search_stuck() the step is taken, one bit for each of
 * three; 0 for a fault, which no run needs. */
void search_step(struct search *s, uint16_t step, const void *next, unsigned ways);

/* The first wrong state, SEARCH_NONE, or SEARCH_FULL when there are more than n_max states. */
long search_run(struct search *s, const char **ret_wrong);

/* A state from which no end can be reached by the steps of this way alone, or SEARCH_NONE. Where
 * there is none, every run without faults that is fair ends. */
long search_stuck(struct search *s, unsigned way);

size_t search_n_states(const struct search *s);
size_t search_n_ends(const struct search *s);
void search_print_way(const struct search *s, long state);

#endif
