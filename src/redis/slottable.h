/* SPDX-License-Identifier: MIT */
/* Which node of a Cluster serves which slot, asked for with CLUSTER SLOTS: when something is wrong
 * soon, but at a bounded rate, and now and then. */
#ifndef SLUICED_REDIS_SLOTTABLE_H
#define SLUICED_REDIS_SLOTTABLE_H

#include "base/log.h"
#include "core/slot.h"
#include "redis/nodes.h"

struct slottable {
	struct nodes *nodes;
	void *owner;
	/* An answer has come, and slots may have another node now. */
	void (*on_answer)(void *owner);

	struct node *serves[SLOTS]; /* NULL: not known */
	ev_timer timer;             /* when to ask next */
	uint64_t timer_at_ms;
	uint64_t asked_at_ms;
	bool asked;
	struct log_limit log_limit;
};

/* nodes, owner and on_answer are set by the caller. */
void slottable_init(struct slottable *t);
void slottable_done(struct slottable *t);

/* What is known is doubtful: it is asked for anew in delay_ms, or, when that is too soon after the
 * last time, as soon as is decent. */
void slottable_ask_in(struct slottable *t, uint64_t delay_ms);

/* A node has said that a slot is served by another. */
void slottable_set(struct slottable *t, uint16_t slot, struct node *to);

#endif
