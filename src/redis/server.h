/* SPDX-License-Identifier: MIT */
/*
 * A Redis server as the consumers see it: the one command connection that they share, and the
 * scripts, which it keeps loaded. (Readers, which block, have connections of their own.)
 */
#ifndef SLUICED_REDIS_SERVER_H
#define SLUICED_REDIS_SERVER_H

#include "base/list.h"
#include "redis/ability.h"
#include "redis/conn.h"

/*
 * The scripts, each described where it is written (redis/NAME.lua): the one place in which several
 * steps must not be torn apart.
 */
#define SCRIPTS(X)                                                                                 \
	X(BEGIN, begin)     /* start runs of entries that wait without payload */                  \
	X(CLAIM, claim)     /* take stale entries of others, record those whose data is gone */    \
	X(RENEW, renew)     /* renew our leases */                                                 \
	X(RELEASE, release) /* give entries back */                                                \
	X(BURY, bury)       /* move an entry to the dead-letter stream */                          \
	X(PROBE, probe)     /* learn what the server can tell */                                   \
	X(TRIM, trim)       /* remove old entries, some at a time */                               \
	X(ACK, ack)         /* acknowledge entries and set their guard keys */

enum script {
#define X(name, file) SCRIPT_##name,
	SCRIPTS(X)
#undef X
	    SCRIPT_COUNT
};

struct server;

/* Somebody who wants to know when the server can be talked to. */
struct server_user {
	struct list_node node;
	void (*on_up)(struct server_user *u);
	void (*on_down)(struct server_user *u);
};

struct server *server_new(struct redis_host *host, const char *client_name) MUST_CHECK;
void server_open(struct server *s);

/* Answers what is pending with NULL, while those who asked are still there, and connects no more.
 */
void server_close(struct server *s);
void server_free(struct server *s);

/* The user is told of every later change; it must leave before it dies. */
void server_join(struct server *s, struct server_user *u);
void server_leave(struct server *s, struct server_user *u);

bool server_is_up(const struct server *s);

bool server_has_tried(const struct server *s);

/* The output, for exactly one command, then server_expect(). The server must be up. */
struct buf *server_out(struct server *s);
void server_expect(struct server *s, reply_fn *on_reply, void *owner, void *request);

/*
 * Begins a call of a script with n_keys keys and n_args arguments, which the caller then appends in
 * that order to the buffer returned, before server_expect().
 */
struct buf *server_script(struct server *s, enum script script, size_t n_keys, size_t n_args);

/* The server answered NOSCRIPT: later calls carry the script's text until it is loaded again. */
void server_scripts_forgotten(struct server *s);

/* Whether scripts may be run: not any more on this connection once the ACL has refused one. */
bool server_may_script(const struct server *s);
void server_scripts_refused(struct server *s);

/* What it can do, as far as is known, and what its answers tell of that (redis/ability.h). */
const struct abilities *server_abilities(const struct server *s);
void server_learn(struct server *s, enum ability which, bool has);
bool server_take_probe(struct server *s);
void server_learn_probe(struct server *s, const struct reply *r);

/* See conn_abandon(). */
void server_abandon(struct server *s, const void *owner);

/* Where to connect to; see conn_go_to(). */
void server_go_to(struct server *s, const struct endpoint *to);

/* See conn_last_fault(). */
const char *server_last_fault(const struct server *s);

/* Commands without a reply, and how often the connection was lost. */
size_t server_n_pending(const struct server *s);
uint64_t server_n_losses(const struct server *s);

/* See conn_drop(). */
void server_drop(struct server *s, const char *why);

#endif
