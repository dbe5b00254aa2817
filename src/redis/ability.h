/* SPDX-License-Identifier: MIT */
/*
 * What a server can do. It is found out from its answers, never from its version number: a version
 * is no promise in a fork, a managed service or behind a proxy.
 */
#ifndef SLUICED_REDIS_ABILITY_H
#define SLUICED_REDIS_ABILITY_H

#include <stdbool.h>

#include "redis/conn.h"
#include "redis/reply.h"

enum ability {
	ABILITY_SCRIPTS,
	ABILITY_MAX_DELETED,
	ABILITY_LAG,
	ABILITY_INACTIVE,
	ABILITY_XAUTOCLAIM,
	ABILITY_XACKDEL,
	ABILITY_XNACK,
	ABILITY_XREADGROUP_CLAIM,
	ABILITY_COUNT,
};

enum ability_state { ABILITY_UNKNOWN, ABILITY_HAS, ABILITY_HAS_NOT };

enum { SERVER_VERSION_SIZE = 64 };

/* Zeroed: nothing is known. */
struct abilities {
	enum ability_state states[ABILITY_COUNT];
	uint64_t probed_at_ms;                  /* 0: not yet, on this connection */
	char version[SERVER_VERSION_SIZE];      /* "redis 7.0.15"; for people; empty: not told */
	enum ability_state said[ABILITY_COUNT]; /* in the log */
};

/* What status and documentation call it. */
const char *ability_word(enum ability a);

/* Which way is taken because of what is known; NULL: it is not known yet. */
const char *ability_path(const struct abilities *a, enum ability which);

/* Forgets what is known, for the server may be another now, and asks what can be asked of a server
 * as such. abilities_say() follows the answers. */
void abilities_ask(struct abilities *a, struct conn *c);

void abilities_learn(struct abilities *a, enum ability which, bool has);

/* Whether the probe script (redis/probe.lua) has something to find out that it has not just looked
 * for. If so it is to be run. */
bool abilities_take_probe(struct abilities *a, uint64_t now_ms);

/* Its answer. */
void abilities_learn_probe(struct abilities *a, const struct reply *r);

/* One line in the log with what is known and has not been said so yet. */
void abilities_say(struct abilities *a, const struct conn *c);

#endif
