/* SPDX-License-Identifier: MIT */
/*
 * Tells a bad deployment from bad entries. A handler that cannot work at all must not burn the
 * attempts of everything in the stream: after a few broken events in a row, or many different
 * entries failing in a row, the breaker opens. While it is open nothing is taken up; after a
 * cooldown one entry is tried, and only a success closes the breaker again. A failed try charges
 * nothing and doubles the cooldown. Pure.
 */
#ifndef SLUICED_CORE_BREAKER_H
#define SLUICED_CORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/entry.h"
#include "core/settings.h"
#include "core/verdict.h"

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_OPEN,    /* cooling down */
	BREAKER_TRIABLE, /* the cooldown is over: one entry may be tried */
	BREAKER_TRYING,  /* it runs */
};

enum breaker_change {
	BREAKER_UNCHANGED,
	BREAKER_OPENS, /* for breaker_cooldown_ms(), then breaker_cooled() */
	BREAKER_CLOSES,
};

/* How many entries that met a broken handler are remembered. */
enum { BREAKER_MET_MAX = 64 };

/* How many entries of a streak are told apart. In a longer one, an entry that fails again after so
 * many others counts once more. */
enum { BREAKER_STREAK_MAX = 1024 };

/* An entry; ids alone are not enough: streams filled in the same millisecond share them. */
struct breaker_key {
	const struct origin *origin;
	struct entryid id;
};

struct breaker_met {
	struct breaker_key entry;
	uint64_t n_successes; /* of all entries, at that time */
};

struct breaker {
	const struct breaker_settings *settings;
	enum breaker_state state;
	uint32_t n_broken; /* in a row */
	uint32_t n_failed; /* different entries in a row; without a bound for them not counted */
	struct breaker_key streak[BREAKER_STREAK_MAX]; /* those counted in n_failed; ring */
	struct breaker_key last_failed, tried;
	pid_t last_broken_pid;
	uint64_t cooldown_ms;
	uint64_t n_successes;
	struct breaker_met met[BREAKER_MET_MAX]; /* ring */
	uint32_t next_met;
};

/* The settings outlive it. */
void breaker_init(struct breaker *b, const struct breaker_settings *settings);

static inline bool breaker_is_closed(const struct breaker *b)
{
	return b->state == BREAKER_CLOSED;
}

/*
 * Takes the verdict on an entry into account, and corrects it: a failed try is not charged, and an
 * entry that meets a broken handler for the second time, when others have succeeded meanwhile, is
 * to blame itself.
 */
enum breaker_change breaker_verdict(struct breaker *b, struct breaker_key entry, struct outcome *o);

/* A broken event without an entry: a worker could not be started, or ended before it did anything.
 */
enum breaker_change breaker_no_worker(struct breaker *b);

uint64_t breaker_cooldown_ms(const struct breaker *b);
void breaker_cooled(struct breaker *b);

/* The handler is another one now: what its predecessor did does not count, and if the breaker is
 * open an entry may be tried at once. */
void breaker_renewed(struct breaker *b);

/* Whether this entry may be tried now: not the one that failed last, where there are others. */
bool breaker_may_try(const struct breaker *b, struct breaker_key entry, bool others);
void breaker_try(struct breaker *b, struct breaker_key entry);

/* The entry that is being tried was lost to another: its run will tell nothing. */
void breaker_lost(struct breaker *b, struct breaker_key entry);

#endif
