/* SPDX-License-Identifier: MIT */
/*
 * One connection to Redis that heals: it resolves, connects, authenticates, selects, and when it is
 * lost does so again, with backoff, for ever. Commands are pipelined and leave together when the
 * loop is about to sleep; replies come back in order.
 */
#ifndef SLUICED_REDIS_CONN_H
#define SLUICED_REDIS_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "core/settings.h"
#include "loop/loop.h"
#include "redis/endpoint.h"
#include "redis/host.h"
#include "redis/reply.h"

struct conn;
struct dial_peer;

struct conn_spec {
	struct redis_host *host;
	const char *peer;        /* what the log calls the server; static text; NULL: Redis */
	const char *tls_switch;  /* what turns TLS on, for the log; static text; NULL: rediss:// */
	const char *client_name; /* for CLIENT SETNAME; borrowed for the call of conn_new */
	const char *consumer;    /* for the log: whose connection; NULL for the shared one */
	const char *stream;      /* for the log; NULL when not bound to one */
	void *owner;
	void (*on_up)(void *owner);
	/* It was up and is no more. Every command without a reply has been answered with NULL. */
	void (*on_down)(void *owner);
	/* What the server says when no command waits for a reply; NULL: that is a fault. */
	void (*on_push)(void *owner, const struct reply *push);
};

/*
 * Called once for each command, in order. reply is NULL when the connection was lost: whether the
 * command was carried out is then unknown, not denied.
 */
typedef void reply_fn(void *owner, void *request, const struct reply *reply);

struct conn *conn_new(const struct conn_spec *spec) MUST_CHECK;

/* Where to connect to from now on: a connection to elsewhere is dropped. NULL: as configured. */
void conn_go_to(struct conn *c, const struct endpoint *to);

/* Starts connecting, for as long as the conn exists. */
void conn_open(struct conn *c);

bool conn_is_up(const struct conn *c);

/* Whether it has been up, or has failed, at least once. */
bool conn_has_tried(const struct conn *c);

/* The output, to append exactly one command to (redis/command.h) before conn_expect(). The
 * connection must be up. */
struct buf *conn_out(struct conn *c);

/* Says who gets the reply of the command just appended, and that the connection is dead when none
 * has come within within_ms. */
void conn_expect(struct conn *c, uint64_t within_ms, reply_fn *on_reply, void *owner,
    void *request);

/* Time allowed to an ordinary command. */
uint64_t conn_patience_ms(const struct conn *c);

/* Answers what this owner waits for with NULL; the replies, which may still come, go nowhere. Not
 * from inside one of its callbacks. */
void conn_abandon(struct conn *c, const void *owner);

/* Commands without a reply yet. */
size_t conn_n_pending(const struct conn *c);

/* Redis' number of this connection, 0 when not known: for CLIENT UNBLOCK and KILL. */
uint64_t conn_client_id(const struct conn *c);

/* Drops the connection at the end of this turn and makes it anew. why is static text. */
void conn_drop(struct conn *c, const char *why);

/* The same after an error that a person has to mend: the next try waits for reconnect.max. */
void conn_drop_for_long(struct conn *c, const char *why);

/* The server has said that it is no primary: what is connected to it by a Sentinel's word is
 * dropped, and connects where the Sentinels say now. */
void conn_denied(struct conn *c);

/* What the log calls the server (redis/dial.h). */
struct dial_peer conn_peer(const struct conn *c);

/* Why it went down, or failed to come up, last; empty when it never did. */
const char *conn_last_fault(const struct conn *c);

/* How often it was lost. */
uint64_t conn_n_losses(const struct conn *c);

/* Closes it for good: what is pending is answered with NULL, on_down is not called, and it does not
 * connect again. Not from inside one of its own callbacks. */
void conn_close(struct conn *c);

/* Closes it. What is pending is answered with NULL; on_down is not called. Not from inside one of
 * its own callbacks. NULL is allowed. */
void conn_free(struct conn *c);

#endif
