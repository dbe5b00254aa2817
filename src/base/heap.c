/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

static void put(struct heap *h, size_t i, struct heap_node *n)
{
	h->nodes[i] = n;
	n->place = (uint32_t)i + 1;
}

static bool comes_before(const struct heap_node *a, const struct heap_node *b)
{
	/* Pushes may have been counted past the end. */
	return a->key < b->key || (a->key == b->key && (int32_t)(a->order - b->order) < 0);
}

static void sift_up(struct heap *h, size_t i, struct heap_node *n)
{
	while (i > 0) {
		size_t parent = (i - 1) / 2;

		if (!comes_before(n, h->nodes[parent]))
			break;
		put(h, i, h->nodes[parent]);
		i = parent;
	}
	put(h, i, n);
}

static void sift_down(struct heap *h, size_t i, struct heap_node *n)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->len)
			break;
		if (child + 1 < h->len && comes_before(h->nodes[child + 1], h->nodes[child]))
			child++;
		if (!comes_before(h->nodes[child], n))
			break;
		put(h, i, h->nodes[child]);
		i = child;
	}
	put(h, i, n);
}

void heap_done(struct heap *h)
{
	free(h->nodes);
	*h = (struct heap){ 0 };
}

void heap_push(struct heap *h, struct heap_node *n, uint64_t key)
{
	assert(!heap_holds(n));
	if (h->len == h->cap) {
		h->cap = h->cap ? 2 * h->cap : 16;
		h->nodes = xreallocarray(h->nodes, h->cap, sizeof(*h->nodes));
	}
	n->key = key;
	n->order = h->n_pushed++;
	sift_up(h, h->len++, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	size_t i = n->place - 1;
	struct heap_node *last;

	assert(heap_holds(n) && h->nodes[i] == n);
	n->place = 0;
	last = h->nodes[--h->len];
	if (last == n)
		return;
	if (i > 0 && comes_before(last, h->nodes[(i - 1) / 2]))
		sift_up(h, i, last);
	else
		sift_down(h, i, last);
}

struct heap_node *heap_peek(const struct heap *h)
{
	return h->len ? h->nodes[0] : NULL;
}
