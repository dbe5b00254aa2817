/* SPDX-License-Identifier: MIT */
/*
 * Everything this daemon holds of one stream: the table of held ids, a list for each state, the
 * order in which leases must be renewed and the order in which waiting entries fall due.
 *
 * Whatever way an id arrives, if it is in the table it is not started again. entryset_move() is the
 * only code that changes a state, and it moves the entry between the lists in the same step: a
 * gauge is the length of a list and cannot disagree with it.
 */
#ifndef SLUICED_CORE_ENTRYSET_H
#define SLUICED_CORE_ENTRYSET_H

#include "base/heap.h"
#include "base/list.h"
#include "core/entry.h"

/* What several sets hold together; kept by their moves. */
struct entry_totals {
	size_t in[ENTRY_STATE_COUNT];
	size_t n_held;
	uint64_t bytes;         /* of payloads CHECKING, READY or RUNNING */
	uint64_t *shared_bytes; /* the same, summed over more than these sets; may be NULL */
};

struct entryset {
	struct entry_totals *totals;
	struct list in[ENTRY_STATE_COUNT];
	struct list by_freshness; /* leased states only; the stalest first */
	struct list put_off;      /* the same of leases whose renewal is put off: they are staler */
	struct heap due;          /* WAITING */
	struct entry **buckets;
	size_t n_buckets, n_held;
	struct entryid highest; /* of all that were ever held: what is above it is not */
	struct list spare;      /* memory of freed entries, by .node */
};

/* The totals outlive the set. */
void entryset_init(struct entryset *es, struct entry_totals *totals);

/* Frees every entry. */
void entryset_done(struct entryset *es);

struct entry *entryset_find(const struct entryset *es, struct entryid id);

/* A new entry that is not held yet, in state WAITING and due at once, or READY. */
struct entry *entryset_add_waiting(struct entryset *es, struct entryid id, uint64_t now_ms);
struct entry *entryset_add_ready(struct entryset *es, struct entryid id, uint64_t now_ms);

/* Moves e to another state; the move must be one of the table in entryset.c. Not for WAITING and
 * GONE, which have calls of their own. */
void entryset_move(struct entryset *es, struct entry *e, enum entry_state to);

/* Moves e to WAITING until due_at_ms; e may be WAITING already. */
void entryset_wait(struct entryset *es, struct entry *e, uint64_t due_at_ms);

/* Moves e to GONE and frees it with what it owns. */
void entryset_forget(struct entryset *es, struct entry *e);

/* The payload of e, READY, has this size: it counts as held while e is CHECKING, READY or
 * RUNNING. */
void entryset_account(struct entryset *es, struct entry *e, size_t bytes);

/* Puts e last in its state, for another try after the others. */
void entryset_requeue(struct entryset *es, struct entry *e);

/* Puts e last in the order of freshness without its being fresh: its renewal is on its way. */
void entryset_requeue_lease(struct entryset *es, struct entry *e);

/* Puts off the lease of e, WAITING and first in the order of freshness: it goes behind others that
 * are put off. It is first in the order of freshness again as soon as it is more than waiting. */
void entryset_put_off_lease(struct entryset *es, struct entry *e);

/* Leases there are, put off or not. */
size_t entryset_n_leased(const struct entryset *es);

/* e was read, claimed, begun or renewed just now. */
void entryset_freshen(struct entryset *es, struct entry *e, uint64_t now_ms);

/* The WAITING entry that is due first, or NULL. */
struct entry *entryset_first_due(const struct entryset *es);

/* First entry in a state, or NULL. */
struct entry *entryset_first(const struct entryset *es, enum entry_state state);

/* The lowest id that is neither acknowledged nor buried; false when nothing is held. Walks all. */
bool entryset_lowest(const struct entryset *es, struct entryid *ret_id);

const char *entry_state_word(enum entry_state state);

/* Whether the table of moves allows this one. */
bool entry_state_allows(enum entry_state from, enum entry_state to);

static inline size_t entryset_count(const struct entryset *es, enum entry_state state)
{
	return es->in[state].len;
}

#endif
