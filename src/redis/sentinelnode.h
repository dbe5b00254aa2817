/* SPDX-License-Identifier: MIT */
/*
 * One Sentinel: what it says about the primary when it is asked, and what it says unasked. It has a
 * connection for each, because a RESP2 connection that subscribes can do nothing else.
 */
#ifndef SLUICED_REDIS_SENTINELNODE_H
#define SLUICED_REDIS_SENTINELNODE_H

#include <stdbool.h>
#include <stdint.h>

#include "redis/conn.h"

enum { SENTINEL_WHY_SIZE = 300 };

struct sentinel_node {
	/* Set by the caller. */
	struct redis_host *host; /* of the Sentinels' own settings */
	const char *master;
	struct endpoint address;
	void *owner;
	/* It has answered, or can be asked, or cannot be asked any more. */
	void (*on_change)(void *owner);
	/* It has made another server the primary. */
	void (*on_switch)(void *owner, const struct endpoint *from, const struct endpoint *to);

	struct conn *asker, *listener;
	bool is_asked;               /* there is no answer yet */
	uint64_t asked, answered;    /* numbers of the last question, as given */
	struct endpoint primary;     /* by its last answer; not set: it named none */
	bool knows_no_such;          /* by its last answer it does not watch this master */
	char why[SENTINEL_WHY_SIZE]; /* it named none for this reason */
};

void sentinel_node_open(struct sentinel_node *n);

/* Not from inside one of its callbacks. */
void sentinel_node_close(struct sentinel_node *n);

/* Asks the question of that number, unless it cannot now, or an answer is outstanding. */
void sentinel_node_ask(struct sentinel_node *n, uint64_t number);

/* Whether there may yet be an answer to that question without waiting for long. */
bool sentinel_node_may_answer(const struct sentinel_node *n, uint64_t number);

bool sentinel_node_has_answered(const struct sentinel_node *n, uint64_t number);

/* Why it does not name the primary. */
const char *sentinel_node_why(const struct sentinel_node *n);

#endif
