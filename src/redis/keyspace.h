/* SPDX-License-Identifier: MIT */
/*
 * Where keys are served. With one server that is everywhere the same; in a Cluster each key has a
 * slot, each slot a node, and both may change at any time. A stream asks its `home` only, and is
 * told when that goes away and when it is there again, be it the same server or another.
 */
#ifndef SLUICED_REDIS_KEYSPACE_H
#define SLUICED_REDIS_KEYSPACE_H

#include <stdbool.h>

#include "base/list.h"
#include "redis/endpoint.h"
#include "redis/server.h"

struct keyspace;
struct node;

/* client_name is for the command connections. */
struct keyspace *keyspace_new(struct redis_host *host, const char *client_name) MUST_CHECK;

void keyspace_open(struct keyspace *k);

/* Answers what is pending with NULL, while those who asked are still there, and connects no more.
 */
void keyspace_close(struct keyspace *k);

/* All homes must have left. */
void keyspace_free(struct keyspace *k);

/* How often a command connection was lost. */
uint64_t keyspace_n_losses(const struct keyspace *k);

/* The place of one key. The first members are set by the caller; the callbacks are optional. */
struct home {
	const char *key; /* borrowed */
	void *owner;     /* to whom its requests belong: nobody else's have this owner */
	/* Its server can be talked to now. It may be another than before: home_endpoint(). */
	void (*on_up)(struct home *h);
	/* Not any more. What was pending has been answered with NULL. */
	void (*on_down)(struct home *h);

	struct keyspace *keyspace;
	struct list_node node;
	uint16_t slot;
	struct node *at;  /* NULL: not known */
	struct node *ask; /* the slot is being moved, and the key is there already */
	bool is_up;       /* as on_up and on_down told it */
	bool is_unserved; /* no node serves its slot: said so in the log */
	unsigned n_hops;  /* redirections that were followed since then */
	uint64_t hops_since_ms;
};

void home_join(struct keyspace *k, struct home *h);
/* Its requests are answered with NULL. Allowed when it has not joined. */
void home_leave(struct home *h);

bool home_is_up(const struct home *h);

/* Whether its connection has been up, or has failed, at least once. */
bool home_has_tried(const struct home *h);

/* Why its connection went down, or failed to come up, last; while its place is not known, that of
 * any node. Empty when none did. */
const char *home_last_fault(const struct home *h);

/* Where a reader of the key has to connect to; NULL: as configured. Valid until the next on_up. */
const struct endpoint *home_endpoint(const struct home *h);

/* The output, for exactly one command, then home_expect(). It must be up. */
struct buf *home_out(struct home *h);
void home_expect(struct home *h, reply_fn *on_reply, void *request);

/* As server_script() and the functions there. */
struct buf *home_script(struct home *h, enum script script, size_t n_keys, size_t n_args);
void home_scripts_forgotten(struct home *h);
bool home_may_script(const struct home *h);
void home_scripts_refused(struct home *h);

/* What the server can do that serves it; NULL: it is not known which that is. */
const struct abilities *home_abilities(const struct home *h);
/* As server_learn() and the functions there. It must have a server. */
void home_learn(struct home *h, enum ability which, bool has);
bool home_take_probe(struct home *h);
void home_learn_probe(struct home *h, const struct reply *r);

/*
 * The server answered this error about the key, or refused to serve it. What it says of the place
 * of the key is obeyed: in a Cluster MOVED and ASK name another node, and CLUSTERDOWN and READONLY
 * make doubtful what is known.
 */
void home_heard_error(struct home *h, enum redis_error class, struct slice text);

/* Between two commands of one connection other than the server's: while the key is being moved to
 * where that connection leads, each command has to be announced. */
void home_announce(const struct home *h, struct conn *c);

/* Drops the connection to its server and makes it anew. why is static text. */
void home_drop(struct home *h, const char *why);

/* Whether keys have to be in one slot to be used in one command. */
bool keyspace_is_cluster(const struct keyspace *k);

#endif
