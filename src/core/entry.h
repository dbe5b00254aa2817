/* SPDX-License-Identifier: MIT */
/*
 * One entry that this daemon holds, from the moment it arrives until it is acknowledged, buried,
 * given back or taken by another. Owned by its entryset; the handler borrows it while it runs.
 */
#ifndef SLUICED_CORE_ENTRY_H
#define SLUICED_CORE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "core/entryid.h"
#include "core/fields.h"
#include "core/verdict.h"

/*
 * The states of an entry's life; docs/architecture.md has the picture. GONE is the state of an
 * entry that is about to be freed, so that every move is in one table.
 */
#define ENTRY_STATES(X)                                                                            \
	X(WAITING, "waiting")   /* held without payload until it is due */                         \
	X(BEGINNING, "waiting") /* due: its begin script is on its way */                          \
	X(CHECKING, "ready")    /* payload here; its guard key is being looked up */               \
	X(READY, "ready")       /* payload here, no handler free yet */                            \
	X(RUNNING, "running")   /* a handler has it */                                             \
	X(ACKING, "acking")     /* done; its XACK is not confirmed yet */                          \
	X(BURYING, "burying")   /* failed for good; its dead letter is not confirmed yet */        \
	X(RELEASING, "waiting") /* being given back to the group */                                \
	X(GONE, "gone")

enum entry_state {
#define X(name, word) ENTRY_##name,
	ENTRY_STATES(X)
#undef X
	    ENTRY_STATE_COUNT
};

/* How it came here. */
enum entry_source { SOURCE_NEW, SOURCE_CLAIMED, SOURCE_RECOVERED, SOURCE_COUNT };

/* Where an entry comes from: the same for all entries of a stream. */
struct origin {
	const char *stream, *group, *consumer; /* consumer: the name in the group */
	/* "stream":…,"group":…,"consumer":…,"id":" as JSON, written once */
	char *json;
	size_t json_len;
};

/* The last failed run, kept for the dead-letter record; strings owned. */
struct last_failure {
	enum failure failure;
	char *detail;
	char *stderr_tail;
	size_t stderr_len;
};

struct entry {
	/* What every step of its way touches comes first, in two lines of the cache. */
	struct entryid id;
	struct entry *bucket_next;   /* chain in the table of held ids */
	struct list_node node;       /* on the list of its state */
	struct list_node lease_node; /* on the set's list in order of freshness */
	uint8_t state;               /* enum entry_state; written by entryset_move alone */
	uint8_t source;              /* enum entry_source */
	uint8_t dead_reason;         /* BURYING: enum dead_reason */
	uint8_t n_unfetched;         /* begins whose reply never came: see consumer/begin.c */
	uint32_t attempts;           /* runs begun and not forgiven: the group's delivery count */

	uint32_t bytes; /* of the payload, while it counts as held */
	bool suspect;   /* to be run alone: it may be what killed a worker */
	bool trimmed;   /* its data is gone from the stream */
	bool recorded;  /* BURYING: it is in the dead-letter stream already */
	bool asked;     /* BURYING, RELEASING: a command about it is on its way */
	bool renewing;  /* a renewal of its lease is on its way */
	bool put_off;   /* on the set's list of renewals that are put off */
	bool lost;      /* pending for another: only an ok still counts */
	bool skipped;   /* ACKING: its guard key was set, it did not run */
	uint16_t guard_key_len;
	void *stream; /* the struct stream of consumer/ that holds it */
	const struct origin *origin;
	uint64_t fresh_at_ms;  /* monotonic: last read, claimed, begun or renewed */
	uint64_t ready_at_ms;  /* monotonic: its payload came */
	uint64_t tag;          /* RUNNING: of this hand-over; kept, as the next two, by the pool */
	uint64_t handed_at_ms; /* RUNNING: monotonic */
	void *run;             /* RUNNING: the pool's own record of the run */

	struct packed_fields *payload;        /* CHECKING, READY; NULL otherwise */
	char *guard_key;                      /* CHECKING to ACKING: one made of fields, or NULL */
	struct last_failure *last_failure;    /* NULL before the first failure */
	uint64_t first_wall_ms, last_wall_ms; /* first and last attempt known here; 0 none */
	uint64_t release_delay_ms; /* RELEASING: what others shall still wait; 0: take it at once */
	struct heap_node due;      /* WAITING: by due time */
};

#endif
