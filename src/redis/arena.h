/* SPDX-License-Identifier: MIT */
/*
 * Memory for one reply: handed out by moving a pointer, given back all at once. Chunks come from a
 * cache that all connections share, so that a quiet connection holds none.
 */
#ifndef SLUICED_REDIS_ARENA_H
#define SLUICED_REDIS_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena_cache {
	struct arena_chunk *spare;
	size_t n_spare;
};

struct arena {
	struct arena_cache *cache;
	struct arena_chunk *chunks; /* the newest first */
	char *next, *end;           /* what is left of the newest */
};

/* A zeroed cache is empty. */
void arena_cache_done(struct arena_cache *c);

void arena_init(struct arena *a, struct arena_cache *cache);

/* The slow part of arena_take(): a new chunk. */
void *arena_grow(struct arena *a, size_t bytes);

/* Aligned for anything that holds pointers and numbers. */
static inline void *arena_take(struct arena *a, size_t bytes)
{
	char *memory = a->next;

	bytes = (bytes + 7) & ~(size_t)7;
	if ((size_t)(a->end - memory) < bytes)
		return arena_grow(a, bytes);
	a->next += bytes;
	return memory;
}

/* Gives back everything taken. */
void arena_reset(struct arena *a);

#endif
