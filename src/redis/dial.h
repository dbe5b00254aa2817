/* SPDX-License-Identifier: MIT */
/*
 * From a configured address to a connected socket, without blocking: asks the Sentinels where there
 * are any, resolves, and tries one address after the other. The next try begins with the address
 * after the one that failed last, so a black-holed address costs one try, not all of them.
 */
#ifndef SLUICED_REDIS_DIAL_H
#define SLUICED_REDIS_DIAL_H

#include "core/settings.h"
#include "loop/loop.h"
#include "redis/endpoint.h"
#include "redis/resolve.h"
#include "redis/sentinel.h"

struct dial {
	struct loop *loop;
	struct resolver *resolver;
	const struct redis_settings *settings;
	struct sentinels *sentinels; /* NULL: none */
	void *owner;
	/* The socket is the owner's now. */
	void (*on_connected)(void *owner, int fd);
	/* No address works; why is borrowed for the call. */
	void (*on_failed)(void *owner, const char *why);
	/* Where it connects to, or has, or would, is not the primary: leave it and start again,
	 * soon. why is static text. */
	void (*on_moved)(void *owner, const char *why);

	struct endpoint *place;    /* NULL: as configured */
	struct primary_user *user; /* NULL: no Sentinels */
	const char *host;          /* being looked up */
	int fd;                    /* being connected, or -1 */
	ev_io writable;
	ev_timer again; /* the queue of the listening socket was full */
	struct resolution *resolution;
	struct address *addresses; /* while it dials */
	unsigned n_addresses, next, n_tried;
};

/* The first members, down to on_moved, are set by the caller. */
void dial_init(struct dial *d);
void dial_done(struct dial *d);

/* To an endpoint, or with NULL to where the settings say. One of the two callbacks follows,
 * possibly before this returns. */
void dial_start(struct dial *d, const struct endpoint *to);

/* The connection stands, and with a Sentinel's word for it the server has confirmed it. */
void dial_arrived(struct dial *d);

/* The server says that it is no primary: on_moved of all that are connected to it follows. */
void dial_denied(struct dial *d);

/* Gives up what it began, or where it arrived. No callback but on_moved follows. */
void dial_stop(struct dial *d);

/* "Redis", or where it depends "Redis at 10.0.0.2:6379", for the log. */
struct dial_peer {
	char text[ENDPOINT_TEXT_SIZE + 32];
};
struct dial_peer dial_peer(const struct dial *d, const char *what);

#endif
