/* SPDX-License-Identifier: MIT */
/*
 * Binary min-heap of nodes embedded in their owners. Each node knows its place, so removing one
 * from the middle needs no search.
 */
#ifndef SLUICED_BASE_HEAP_H
#define SLUICED_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	uint64_t key;
	uint32_t place; /* index + 1; 0 when in no heap */
	uint32_t order; /* of pushes */
};

struct heap {
	struct heap_node **nodes;
	size_t len, cap;
	uint32_t n_pushed;
};

/* A zeroed struct heap is an empty heap. Frees the array, never the nodes. */
void heap_done(struct heap *h);

static inline bool heap_holds(const struct heap_node *n)
{
	return n->place != 0;
}

/* n must not be in a heap; its key is set here. */
void heap_push(struct heap *h, struct heap_node *n, uint64_t key);

/* n must be in h. */
void heap_remove(struct heap *h, struct heap_node *n);

/* Node with the lowest key, of several the one that was pushed first, or NULL. */
struct heap_node *heap_peek(const struct heap *h);

#endif
