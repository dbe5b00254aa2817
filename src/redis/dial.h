/* SPDX-License-Identifier: MIT */
/*
 * From a configured address to a connected socket, without blocking: resolves, and tries one
 * address after the other. The next try begins with the address after the one that failed last, so
 * a black-holed address costs one try, not all of them.
 */
#ifndef SLUICED_REDIS_DIAL_H
#define SLUICED_REDIS_DIAL_H

#include "core/settings.h"
#include "loop/loop.h"
#include "redis/endpoint.h"
#include "redis/resolve.h"

struct dial {
	struct loop *loop;
	struct resolver *resolver;
	const struct redis_settings *settings;
	void *owner;
	/* The socket is the owner's now. */
	void (*on_connected)(void *owner, int fd);
	/* No address works; why is borrowed for the call. */
	void (*on_failed)(void *owner, const char *why);

	const char *host; /* being looked up */
	int fd;           /* being connected, or -1 */
	ev_io writable;
	struct resolution *resolution;
	struct address_list addresses;
	unsigned next, n_tried;
};

/* The first members, down to on_failed, are set by the caller. */
void dial_init(struct dial *d);

/* To an endpoint, or with NULL to where the settings say. One of the two callbacks follows,
 * possibly before this returns. */
void dial_start(struct dial *d, const struct endpoint *to);

/* No callback follows. */
void dial_stop(struct dial *d);

#endif
