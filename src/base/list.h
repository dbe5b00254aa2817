/* SPDX-License-Identifier: MIT */
/*
 * Intrusive doubly linked list that knows its length. A node is on at most one list; `prev` is
 * NULL when it is on none, so a zeroed node is a valid node that is not listed.
 */
#ifndef SLUICED_BASE_LIST_H
#define SLUICED_BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct list_node {
	struct list_node *prev, *next;
};

struct list {
	struct list_node head; /* head.next is the first node, head.prev the last */
	size_t len;
};

static inline void list_init(struct list *l)
{
	l->head.prev = l->head.next = &l->head;
	l->len = 0;
}

static inline bool list_empty(const struct list *l)
{
	return l->len == 0;
}

static inline bool list_listed(const struct list_node *n)
{
	return n->prev != NULL;
}

static inline void list_insert_before(struct list *l, struct list_node *at, struct list_node *n)
{
	assert(!list_listed(n) && list_listed(at));
	n->prev = at->prev;
	n->next = at;
	at->prev->next = n;
	at->prev = n;
	l->len++;
}

static inline void list_append(struct list *l, struct list_node *n)
{
	list_insert_before(l, &l->head, n);
}

static inline void list_prepend(struct list *l, struct list_node *n)
{
	list_insert_before(l, l->head.next, n);
}

static inline void list_remove(struct list *l, struct list_node *n)
{
	assert(list_listed(n) && l->len > 0);
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = NULL;
	l->len--;
}

/* First node, or NULL. */
static inline struct list_node *list_first(const struct list *l)
{
	return l->len ? l->head.next : NULL;
}

/* Removes and returns the first node, or NULL. */
static inline struct list_node *list_pop(struct list *l)
{
	struct list_node *n = list_first(l);

	if (n)
		list_remove(l, n);
	return n;
}

#define list_foreach(l, n) for (struct list_node *n = (l)->head.next; n != &(l)->head; n = n->next)

/* The body may remove n, and no other node. */
#define list_foreach_safe(l, n)                                                                    \
	for (struct list_node *n = (l)->head.next, *n##_next = n->next; n != &(l)->head;           \
	     n = n##_next, n##_next = n->next)

#endif
