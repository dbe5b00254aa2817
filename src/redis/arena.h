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

/* Suitably aligned for anything. */
void *arena_take(struct arena *a, size_t bytes);

/* Gives back everything taken. */
void arena_reset(struct arena *a);

#endif
