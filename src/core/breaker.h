/* SPDX-License-Identifier: MIT */
/*
 * Tells a bad deployment from bad entries. A handler that cannot work at all must not burn the
 * attempts of everything in the stream: after a few broken events in a row, or many different
 * entries failing in a row, the breaker opens. While it is open nothing new is taken up; after a
 * cooldown one entry is tried, and only its success closes the breaker again. Pure.
 */
#ifndef SLUICED_CORE_BREAKER_H
#define SLUICED_CORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/entryid.h"
#include "core/settings.h"

enum breaker_state {
	BREAKER_CLOSED,
	BREAKER_OPEN,	 /* cooling down */
	BREAKER_TRIABLE, /* the cooldown is over: one entry may be tried */
	BREAKER_TRYING,	 /* it runs */
};

/* Entries that met a broken handler, so that one that breaks every handler is found out. */
enum { BREAKER_MET_MAX = 64 };

struct breaker_met {
	struct entryid id;
	uint64_t n_successes; /* when it did */
};

struct breaker {
	const struct breaker_settings *settings;
	enum breaker_state state;
	uint32_t n_broken; /* in a row */
	uint32_t n_failed; /* different entries in a row */
	struct entryid last_failed;
	uint64_t cooldown_ms; /* of the next opening, or the current one */
	uint64_t n_successes;
	struct breaker_met met[BREAKER_MET_MAX]; /* ring */
	uint32_t next_met;
};

void breaker_init(struct breaker *b, const struct breaker_settings *settings);

static inline bool breaker_is_closed(const struct breaker *b)
{
	return b->state == BREAKER_CLOSED;
}

/* A run succeeded. True when that closes the breaker. */
bool breaker_success(struct breaker *b);

/* An entry failed on its own account. True when that opens the breaker, or ends a try. */
bool breaker_failure(struct breaker *b, struct entryid id);

/* The handler is broken; `id` is the entry that met it, 0-0 for none. True as above. */
bool breaker_broken(struct breaker *b, struct entryid id);

/* Whether an entry that has met a broken handler is to blame itself: it did so before, and others
 * have succeeded in between. Ask before breaker_broken() tells of this time. */
bool breaker_is_to_blame(const struct breaker *b, struct entryid id);

/* For how long it stays open, counted from the call that opened it. */
uint64_t breaker_cooldown_ms(const struct breaker *b);

/* The cooldown is over. */
void breaker_cooled(struct breaker *b);

/* Whether this entry may be tried now: not the one that failed last, where there is another. */
bool breaker_may_try(const struct breaker *b, struct entryid id, bool others);

/* It is being tried. */
void breaker_try(struct breaker *b);

/* The try has ended without telling anything: the entry was given back, or lost. */
void breaker_try_void(struct breaker *b);

#endif
