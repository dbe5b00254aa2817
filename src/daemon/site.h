/* SPDX-License-Identifier: MIT */
/*
 * The way to one Redis, and what the consumers that work there share. There is one, but after a
 * reload with another `redis:` section there are two, until the last consumer of the old has left.
 */
#ifndef SLUICED_DAEMON_SITE_H
#define SLUICED_DAEMON_SITE_H

#include "config/config.h"
#include "consumer/consumer.h"
#include "redis/conn.h"
#include "redis/keyspace.h"

/* What all sites share. Owned by the daemon. */
struct site_spec {
	struct loop *loop;
	struct resolver *resolver;
	struct handler_host *handlers;
	const char *instance, *hostname;
	void *owner;
	void (*on_runs_over)(void *owner);
	void (*on_drained)(void *owner);
};

struct site {
	struct list_node node;
	struct config *config; /* keeps the settings of the connections */
	struct redis_host redis;
	struct keyspace *keyspace;
	struct consumer_host host;
	unsigned n_members; /* consumers that are there, or are to come */
};

struct site *site_new(const struct site_spec *spec, struct config *config) MUST_CHECK;

/* Connects. */
void site_open(struct site *s);

/* Answers what is pending with NULL and connects no more. */
void site_close(struct site *s);

/* All its consumers must be gone. */
void site_free(struct site *s);

#endif
