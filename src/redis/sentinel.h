/* SPDX-License-Identifier: MIT */
/*
 * Redis Sentinel: who is the primary now? All Sentinels are asked at once, however many want to
 * know, and the first usable answer counts. An answer is a rumour until the server has confirmed it
 * (ROLE): one that a connection has found wrong counts again only when no Sentinel names another.
 *
 * Those who want to be connected to the primary are told when it is elsewhere: by the Sentinels
 * (+switch-master), by their majority when that message was missed, or by the server itself.
 */
#ifndef SLUICED_REDIS_SENTINEL_H
#define SLUICED_REDIS_SENTINEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/list.h"
#include "core/settings.h"
#include "loop/loop.h"
#include "redis/endpoint.h"
#include "redis/resolve.h"

struct sentinels;

/* settings are those of the servers, and name the Sentinels. */
struct sentinels *sentinels_new(struct loop *loop, struct resolver *resolver,
    const struct redis_settings *settings) MUST_CHECK;
void sentinels_open(struct sentinels *s);

/* All users must have left. NULL is allowed. */
void sentinels_free(struct sentinels *s);

enum primary_user_state {
	PRIMARY_IDLE,   /* not connected, nor connecting */
	PRIMARY_ASKING, /* a question is out */
	PRIMARY_TRYING, /* to connect to the answer */
	PRIMARY_IN_USE, /* it is the primary, and connected */
};

/* Somebody who wants a connection to the primary. The callbacks and their owner are set by it. */
struct primary_user {
	void *owner;
	/* Once after each primary_ask(), never from inside it. primary is NULL when nobody says,
	 * for the reason why; borrowed for the call. */
	void (*on_answer)(void *owner, const struct endpoint *primary, const char *why);
	/* Whatever it does: leave it, ask anew, and soon. why is static text. */
	void (*on_moved)(void *owner, const char *why);

	struct sentinels *sentinels;
	struct list_node node, question;
	enum primary_user_state state;
	struct endpoint at; /* the last answer it got */
	uint64_t number;    /* of its question */
	uint64_t asked_at_ms;
};

void primary_join(struct sentinels *s, struct primary_user *u);
void primary_leave(struct primary_user *u);

/* The answer is newer than the question. */
void primary_ask(struct primary_user *u);

/* It is connected, and the server has said that it is the primary. */
void primary_found(struct primary_user *u);

/* It is connected, or trying, no more: through no fault of the server, or because it failed. */
void primary_let_go(struct primary_user *u);
void primary_failed(struct primary_user *u);

/* The server has said that it is no primary (any more): all its users are told to move. */
void primary_denies(struct primary_user *u);

/* The access control list refuses ROLE: said once in the log. */
void sentinels_role_refused(struct sentinels *s, struct slice error);

#endif
