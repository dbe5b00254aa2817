/* SPDX-License-Identifier: MIT */
/*
 * Entries through a handler for one more time: processes, verdicts and output as in the daemon, but
 * nothing follows from a verdict. What was taken from a process through no fault of its own is
 * handed over again.
 */
#ifndef SLUICED_CTL_RERUN_H
#define SLUICED_CTL_RERUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "core/entryid.h"
#include "core/fields.h"
#include "core/settings.h"
#include "core/verdict.h"
#include "ctl/link.h"

struct rerun;

/* Everything is borrowed for the life of the rerun. */
struct rerun_spec {
	struct link *link;
	const struct handler_settings *handler;
	const char *stream, *group, *consumer; /* as entries tell it to the handler */
	uint64_t max_attempts;
	uint64_t n_broken_max; /* so many signs of a broken handler in a row end it */
	/* Once for each entry. RELEASE: it was not run to an end. The outcome is borrowed for the
	 * call. */
	void (*on_outcome)(void *owner, struct entryid id, const struct outcome *o);
	void *owner;
};

/* Starts the processes of worker mode. */
struct rerun *rerun_new(const struct rerun_spec *spec) MUST_CHECK;

/* Whether an entry can be offered now. */
bool rerun_has_room(const struct rerun *r);
void rerun_offer(struct rerun *r, struct entryid id, const struct fields *f);

/* Lets time pass until something has changed, for at most ms. */
void rerun_turn(struct rerun *r, uint64_t ms);

/* Why the handler is taken for broken; NULL: it is not. */
const char *rerun_fault(const struct rerun *r);

/* Whether each entry that was offered has had its outcome. */
bool rerun_is_idle(const struct rerun *r);

/* Nothing more will be offered. What runs comes to its end; rerun_kill() does not wait for it. */
void rerun_drain(struct rerun *r);
void rerun_kill(struct rerun *r);
bool rerun_is_over(const struct rerun *r);

/* NULL is allowed. */
void rerun_free(struct rerun *r);

#endif
