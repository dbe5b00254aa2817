/* SPDX-License-Identifier: MIT */
/* The commands of a connection that wait for their replies, in the order in which they were sent.
 */
#ifndef SLUICED_REDIS_WAITING_H
#define SLUICED_REDIS_WAITING_H

#include <stddef.h>
#include <stdint.h>

struct reply;

struct waiting_command {
	void (*on_reply)(void *owner, void *request, const struct reply *reply);
	void *owner, *request;
	uint64_t deadline_at_ms;
};

/* A ring. Zeroed it is empty. */
struct waiting {
	struct waiting_command *ring;
	size_t first, len, cap; /* cap: 0 or a power of two */
};

void waiting_done(struct waiting *w);

void waiting_push(struct waiting *w, struct waiting_command c);

/* The oldest, which is taken out; there must be one. */
struct waiting_command waiting_pop(struct waiting *w);

/* Tells the owner of these commands that there will be no reply (NULL). The replies that come are
 * thrown away. */
void waiting_abandon(struct waiting *w, const void *owner);

static inline const struct waiting_command *waiting_oldest(const struct waiting *w)
{
	return w->len ? &w->ring[w->first] : NULL;
}

#endif
