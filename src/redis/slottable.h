/* SPDX-License-Identifier: MIT */
/* Which node of a Cluster serves which slot, asked for with CLUSTER SLOTS: when something is wrong
 * soon, but at a bounded rate, and now and then. */
#ifndef SLUICED_REDIS_SLOTTABLE_H
#define SLUICED_REDIS_SLOTTABLE_H

#include "base/log.h"
#include "core/slot.h"
#include "redis/nodes.h"

struct slot_place {
	struct node *serves; /* NULL: not known */
	struct node *listed; /* by the last answer, where that named another; NULL: it did not */
	uint64_t told_at_ms; /* when a node redirected us there; 0: never */
};

struct slottable {
	struct nodes *nodes;
	void *owner;
	/* An answer has come, and slots may have another node now. */
	void (*on_answer)(void *owner);

	struct slot_place places[SLOTS];
	ev_timer timer; /* when to ask next */
	uint64_t timer_at_ms;
	uint64_t asked_at_ms;
	struct node *asked; /* whose answer is waited for; NULL: nobody's */
	bool is_good;       /* the last answer told something */
	bool is_closed;
	struct log_limit log_limit;
};

/* nodes, owner and on_answer are set by the caller. */
void slottable_init(struct slottable *t);

/* Asks no more. */
void slottable_close(struct slottable *t);

/* The node that serves a slot; NULL: not known. */
struct node *slottable_node(const struct slottable *t, uint16_t slot);

/* What is known is doubtful: it is asked for anew in delay_ms, or, when that is too soon after the
 * last time, as soon as is decent. */
void slottable_ask_in(struct slottable *t, uint64_t delay_ms);

/* A node has said that a slot is served by another. */
void slottable_set(struct slottable *t, uint16_t slot, struct node *to);

#endif
