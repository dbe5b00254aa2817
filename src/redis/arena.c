/* SPDX-License-Identifier: MIT */
#include "redis/arena.h"

#include <stdlib.h>

#include "base/alloc.h"

enum {
	CHUNK_BYTES = 128 * 1024,
	SPARE_CHUNKS = 16,
};

struct arena_chunk {
	struct arena_chunk *next;
	size_t bytes; /* of memory */
	_Alignas(8) char memory[];
};

static struct arena_chunk *chunk_new(struct arena_cache *cache, size_t bytes)
{
	struct arena_chunk *c = cache->spare;

	if (bytes <= CHUNK_BYTES && c) {
		cache->spare = c->next;
		cache->n_spare--;
		return c;
	}
	if (bytes < CHUNK_BYTES)
		bytes = CHUNK_BYTES;
	c = xmalloc(sizeof(*c) + bytes);
	c->bytes = bytes;
	return c;
}

static void chunk_free(struct arena_cache *cache, struct arena_chunk *c)
{
	if (c->bytes != CHUNK_BYTES || cache->n_spare == SPARE_CHUNKS) {
		free(c);
		return;
	}
	c->next = cache->spare;
	cache->spare = c;
	cache->n_spare++;
}

void arena_cache_done(struct arena_cache *cache)
{
	while (cache->spare) {
		struct arena_chunk *c = cache->spare;

		cache->spare = c->next;
		free(c);
	}
	cache->n_spare = 0;
}

void arena_init(struct arena *a, struct arena_cache *cache)
{
	*a = (struct arena){ .cache = cache };
}

void *arena_grow(struct arena *a, size_t bytes)
{
	struct arena_chunk *c = chunk_new(a->cache, bytes);

	c->next = a->chunks;
	a->chunks = c;
	a->next = c->memory + bytes;
	a->end = c->memory + c->bytes;
	return c->memory;
}

void arena_reset(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->next;
		chunk_free(a->cache, c);
	}
	a->next = a->end = NULL;
}
