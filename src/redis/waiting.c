/* SPDX-License-Identifier: MIT */
#include "redis/waiting.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "redis/reply.h"

enum { FIRST_CAP = 8 };

static void grow(struct waiting *w)
{
	size_t cap = w->cap ? 2 * w->cap : FIRST_CAP;
	struct waiting_command *ring = xreallocarray(NULL, cap, sizeof(*ring));

	for (size_t i = 0; i < w->len; i++)
		ring[i] = w->ring[(w->first + i) & (w->cap - 1)];
	free(w->ring);
	w->ring = ring;
	w->cap = cap;
	w->first = 0;
}

void waiting_done(struct waiting *w)
{
	free(w->ring);
	*w = (struct waiting){ 0 };
}

void waiting_push(struct waiting *w, struct waiting_command c)
{
	if (w->len == w->cap)
		grow(w);
	w->ring[(w->first + w->len++) & (w->cap - 1)] = c;
}

struct waiting_command waiting_pop(struct waiting *w)
{
	struct waiting_command c;

	assert(w->len > 0);
	c = w->ring[w->first];
	w->first = (w->first + 1) & (w->cap - 1);
	w->len--;
	return c;
}

void waiting_abandon(struct waiting *w, const void *owner)
{
	/* A callback may append commands of its own: those are not abandoned. */
	size_t n = w->len;

	for (size_t i = 0; i < n; i++) {
		struct waiting_command *c = &w->ring[(w->first + i) & (w->cap - 1)];
		struct waiting_command abandoned = *c;

		if (c->owner != owner)
			continue;
		c->on_reply = reply_ignored;
		c->owner = c->request = NULL;
		abandoned.on_reply(abandoned.owner, abandoned.request, NULL);
	}
}
