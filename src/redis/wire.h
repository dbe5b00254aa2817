/* SPDX-License-Identifier: MIT */
/*
 * A connected socket, plain or TLS, with its output. It sends and receives whenever the socket can,
 * and tells its owner what has come.
 */
#ifndef SLUICED_REDIS_WIRE_H
#define SLUICED_REDIS_WIRE_H

#include <stdbool.h>

#include "base/buf.h"
#include "loop/loop.h"
#include "redis/tls.h"

struct wire {
	struct loop *loop;
	void *owner;
	/* TLS is agreed upon: now something can be sent. */
	void (*on_secure)(void *owner);
	/* Bytes have come, borrowed for the call. False: the owner has closed the wire. */
	bool (*on_bytes)(void *owner, const char *bytes, size_t len);
	/* Nothing more comes or goes: the owner closes the wire. */
	void (*on_broken)(void *owner, const struct fault *why);

	struct buf *spare_out; /* memory for `out` while that is not empty */

	struct buf out; /* to be sent: append to wire_out(), then wire_flush() */
	int fd;         /* -1: closed */
	struct tls *tls;
	bool is_secure;             /* or plain */
	int send_wants, recv_wants; /* EV_READ or EV_WRITE: what is to be waited for */
	ev_io readable, writable;
	ev_timer again; /* at once: what TLS has taken from the socket is not received yet */
};

/* The first members, down to spare_out, are set by the caller. */
void wire_init(struct wire *w);

/* The output, to append to. */
struct buf *wire_out(struct wire *w);

/* Takes over a connected, non-blocking socket. */
void wire_open(struct wire *w, int fd);

/* The same for TLS: on_secure() or on_broken() follows. */
void wire_open_tls(struct wire *w, int fd, const struct tls_spec *spec);

/* Sends what the socket takes; the rest follows by itself. */
void wire_flush(struct wire *w);

/* Drops what is not sent yet. No callback follows. */
void wire_close(struct wire *w);

#endif
