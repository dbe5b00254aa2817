/* SPDX-License-Identifier: MIT */
/* The servers that we have a command connection to: one as configured, or the nodes of a Cluster,
 * each known by its endpoint. */
#ifndef SLUICED_REDIS_NODES_H
#define SLUICED_REDIS_NODES_H

#include "base/list.h"
#include "redis/endpoint.h"
#include "redis/server.h"

struct nodes;

struct node {
	struct list_node node;
	struct nodes *nodes;
	struct endpoint at; /* not set: as configured */
	struct server *server;
	struct server_user user;
	bool is_seed;  /* configured: kept, though it may serve nothing */
	bool is_spare; /* a replica: kept, to be asked when nobody else is there */
	bool is_open;
	bool is_asked;   /* CLUSTER SLOTS is on its way */
	unsigned n_uses; /* slots and homes that it serves */
};

struct nodes {
	struct redis_host *host;
	char *client_name;
	struct list list;
	uint64_t n_losses; /* of nodes that have been forgotten */
	void *owner;
	void (*on_up)(void *owner, struct node *n);
	void (*on_down)(void *owner, struct node *n);
};

/* host, owner and the callbacks are set by the caller. */
void nodes_init(struct nodes *n, const char *client_name);
void nodes_done(struct nodes *n);

/* The node at an endpoint, new if it is not known; NULL is "as configured". */
struct node *nodes_at(struct nodes *n, const struct endpoint *at);

/* Connects, for as long as it is used. */
void node_open(struct node *n);

/* Connects to all of them: what is known is not enough. */
void nodes_open_all(struct nodes *n);

/* The same for the seeds. */
void nodes_open_seeds(struct nodes *n);

/* None is a replica any more, as far as is known. */
void nodes_forget_spares(struct nodes *n);

/* Those that serve nothing go, but for seeds and spares. Not from inside a reply of theirs. */
void nodes_forget_unused(struct nodes *n);
/* Seeds and spares that serve nothing are closed. */
void nodes_close_unused(struct nodes *n);

/* Whether each that is open has been up, or has failed, at least once. */
bool nodes_have_tried(const struct nodes *n);

/* Of the first node that has one; empty: none has. See conn_last_fault(). */
const char *nodes_last_fault(const struct nodes *n);

/* Answers what is pending with NULL and connects no more. */
void nodes_close(struct nodes *n);

/* How often a connection was lost. */
uint64_t nodes_n_losses(const struct nodes *n);

#endif
