/* SPDX-License-Identifier: MIT */
/*
 * A model of the life of entries: a Redis reduced to what the scripts look at, daemons that move
 * entries by the table of core/entryset and judge runs by core/policy, and every fault at every
 * moment.
 *
 *   life_server.c  the commands, each one atomic     life_daemon.c, life_runs.c  the steps
 *   life_rules.c   what must hold in every state     life.c                      the search space
 *
 * Entries do not look at one another: whatever happens to one of many happens to one alone too, as
 * every step may be late. So one entry is explored in full detail, several ones in less.
 *
 * Time is what it does: the lease of a pending entry runs out, naturally where nobody renews it, by
 * a fault (a stopped machine, a cut line) where somebody holds it. Assumed are: the clocks of the
 * machines go at the same rate; a command is carried out before its connection is lost or never;
 * the reply of a read may be older than a lease, but not than two, its connection being overdue.
 */
#ifndef SLUICED_TESTS_LIFE_H
#define SLUICED_TESTS_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/entry.h"
#include "explore.h"

enum { ENTRIES_MAX = 3, PAIRS_MAX = 6, DAEMONS_MAX = 3, COUNT_MAX = 7 };

/* What can be wrong with the daemons or the scripts; one at a time. */
#define MUTANTS(X)                                                                                 \
	X(NONE, "nothing")                                                                         \
	X(BEGIN_UNSEEN, "begin does not look at the owner")                                        \
	X(BEGIN_UNCOUNTED, "begin does not write the count")                                       \
	X(RENEW_UNSEEN, "renew does not look at the owner")                                        \
	X(RENEW_TRIMMED, "renew does not look at the data: XCLAIM drops the pending record")       \
	X(CLAIM_FRESH, "claim does not look at the idle time")                                     \
	X(CLAIM_OLD_COUNT, "claim trusts the count of a page that is out of date")                 \
	X(CLAIM_TRIMMED, "claim drops entries without data")                                       \
	X(BURY_UNSEEN, "bury does not look at the owner")                                          \
	X(XACK_BEFORE_XADD, "bury acknowledges first")                                             \
	X(REFUSED_IS_ACKED, "bury acknowledges what the dead-letter stream refuses")               \
	X(RELEASE_UNSEEN, "release does not look at the owner")                                    \
	X(RELEASE_CHARGED, "release leaves the count as it is")                                    \
	X(NO_TABLE, "a held entry that is found stale is started again")                           \
	X(NO_GUARD, "entries are handed over whose lease has run out")                             \
	X(LATE_REPLY, "an entry in a reply that is older than the lease is taken for fresh")       \
	X(TAKEN_UP_AT_ONCE, "our own are taken up while their reply is on its way")                \
	X(FAILURE_ACKED, "a failed run is acknowledged")                                           \
	X(LOST_FAILURE_ACKED, "a failed run of an entry that is another's is acknowledged")        \
	X(FORGIVEN_CHARGED, "a run that is forgiven counts")                                       \
	X(FAILURE_FORGIVEN, "a failed run does not count")                                         \
	X(BEGIN_SENT_ONCE, "a begin whose reply is lost is not sent again")                        \
	X(ACK_SENT_ONCE, "an XACK whose reply is lost is not sent again")                          \
	X(BURIAL_SENT_ONCE, "a burial whose reply is lost is not sent again")                      \
	X(NO_SWEEP, "nobody claims what others let lie")                                           \
	X(NO_TAKE_UP, "our own pending entries are not taken up")

enum mutant {
#define X(name, text) MUTANT_##name,
	MUTANTS(X)
#undef X
	    MUTANT_COUNT
};

/* How much is explored. */
struct scope {
	const char *name;
	int n_entries, n_daemons;
	uint32_t max_attempts;
	bool in_transit;      /* commands are carried out some time after they are sent */
	bool renewals_travel; /* so are the answers of renewals */
	bool trims;           /* the data of pending entries is deleted */
	bool one_handler;     /* each daemon runs one entry at a time; else any number */
	unsigned faults_max;  /* 0: any number */
	enum mutant mutant;
};

/* The runs of search_stuck(): without faults, each handler always says the same. */
enum way { WAY_OK = 1, WAY_RETRY = 2, WAY_DEAD = 4, WAY_ALL = 7 };

enum where { NEW, PENDING, OUT };

/* An entry in Redis, and what an observer who sees everything knows of it. */
struct row {
	uint8_t where; /* of the group: not delivered, pending, neither */
	uint8_t owner, count;
	bool stale;   /* idle for the whole lease */
	bool no_data; /* trimmed */
	bool succeeded;
	bool faulted;     /* what was done of it may be unknown to those who hold it now */
	uint8_t recorded; /* dead letters */
	uint8_t begun;    /* runs begun and not forgiven */
};

/* What a daemon waits for: a command of the entry's state, or an answer to it that is on its way.
 */
enum command {
	IDLE,
	SENT,
	DONE,
	OTHERS,
	NOBODYS,
	WITHOUT_DATA,
	REFUSED,
	STUCK, /* mutants: will never be answered */
	/* of an entry that is not held: */
	SEEN_STALE, /* in a page of the sweep */
	CLAIMED,
	SEEN_OURS, /* in a page of our own pending list */
};

/* An entry as one daemon sees it. */
struct view {
	uint8_t state;    /* enum entry_state; GONE: not held */
	uint8_t attempts; /* as in struct entry; or as the page said */
	uint8_t command;
	uint8_t renewal;    /* enum command */
	bool reading;       /* a reply of XREADGROUP that brings it is on its way */
	bool late;          /* our own clock says that the lease has run out */
	bool lost, trimmed; /* as in struct entry; of a lost one nothing else matters any more */
};

struct world {
	struct row rows[ENTRIES_MAX];
	struct view views[PAIRS_MAX];
	bool alive[DAEMONS_MAX];
	uint8_t n_faults; /* where they are bounded */
	uint8_t wrong;    /* enum wrong: a step did what it must not */
};

enum wrong { NOTHING_WRONG, WRONG_MOVE, WRONG_STARTED_TWICE, WRONG_COUNT, WRONG_COUNT_OF_KINDS };

/* One daemon, one entry, in a copy of the world that a step may change. */
struct life {
	const struct scope *scope;
	struct world *w;
	struct row *row;
	struct view *view;
	uint8_t daemon, entry;
};

void life_first(const struct scope *scope, struct world *ret_world);

/* The space of a scope, which outlives it. */
struct space life_space(const struct scope *scope);

static inline struct view *life_view(const struct scope *scope, struct world *w, int daemon,
    int entry)
{
	return &w->views[daemon * scope->n_entries + entry];
}

static inline bool life_is_held(const struct view *v)
{
	return v->state != ENTRY_GONE;
}

static inline bool life_is_ours(const struct life *l)
{
	return l->row->where == PENDING && l->row->owner == l->daemon;
}

static inline bool life_mutated(const struct life *l, enum mutant m)
{
	return l->scope->mutant == m;
}

void life_wrong(struct life *l, enum wrong what);

/* ---- life_server.c: each changes the row and returns the answer ---- */

void server_read(struct life *l);
enum command server_claim(struct life *l);
enum command server_begin(struct life *l);
enum command server_renew(struct life *l);
enum command server_bury(struct life *l, bool refuses);
enum command server_release(struct life *l);
enum command server_ack(struct life *l);

/* ---- life_rules.c ---- */

const char *life_wrong_with(const void *scope, const void *world);
bool life_is_end(const void *scope, const void *world);

#endif
