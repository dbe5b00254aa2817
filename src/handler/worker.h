/* SPDX-License-Identifier: MIT */
/* One persistent process of worker mode, through all its restarts. */
#ifndef SLUICED_HANDLER_WORKER_H
#define SLUICED_HANDLER_WORKER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "core/backoff.h"
#include "core/ending.h"
#include "core/workerfsm.h"
#include "handler/child.h"
#include "handler/common.h"
#include "handler/feed.h"
#include "handler/held.h"

struct crew;

/* So many lines that are no verdicts are forgiven in a minute. */
enum { ERRORS_FORGIVEN = 10 };

struct worker {
	struct child child;
	struct feed feed;
	struct held held;
	struct crew *crew;
	struct common *common;
	struct list_node room_node, idle_node, start_node, retired_node; /* the crew's */
	uint32_t room;                                                   /* as the crew knows it */

	uint8_t state; /* enum worker_state */
	bool served;   /* it has given a verdict */
	bool proven;   /* it has had a success */
	bool broke;    /* it said broken */
	char *why;     /* side by side: it said so, and what it holds has yet to be told; or NULL */
	bool alone;    /* it runs a suspect and gets nothing else */
	bool paused;
	bool retired; /* one too many: not started again */
	enum kill_cause cause;
	uint64_t started_at_ms;
	uint64_t oldest_since_ms; /* when the entry before the oldest one was settled */
	uint64_t leave_by_ms;     /* LEAVING with nothing left to do */
	uint64_t error_at_ms[ERRORS_FORGIVEN];
	uint64_t n_errors;

	struct backoff backoff;
	ev_timer clock;   /* the next deadline, or an earlier time: looked at when it fires */
	ev_timer pause;   /* its end */
	ev_timer restart; /* DOWN */
};

struct worker *worker_new(struct crew *crew, struct common *common);
void worker_free(struct worker *w);

/* Starts the process, now. */
void worker_start(struct worker *w);

/* Entries it can take now. */
uint32_t worker_room(const struct worker *w);

void worker_take(struct worker *w, struct entry *e, const struct fields *f);

/* No more entries: end of file, and no restart. */
void worker_drain(struct worker *w);

/* Kills it because a drain ran out of time. */
void worker_kill(struct worker *w);

/* --- for obey.c ------------------------------------------------------------------------------- */

static inline uint64_t worker_now_ms(const struct worker *w)
{
	return loop_now_ms(w->common->loop);
}

/* Gives the entry of the slot back with its verdict. */
void worker_settle(struct worker *w, struct held_slot *slot, const struct outcome *o);

/* Sets the clock anew: the state has changed. */
void worker_set_clock(struct worker *w);

/* It said broken for this reason: what it holds is told so when the process is gone. */
void worker_broke(struct worker *w, struct slice why);

/* Gets no more entries. */
void worker_leave(struct worker *w);

/* Kills the process; its entries come back when it is reaped. */
void worker_terminate(struct worker *w, enum kill_cause cause);

/* Tells the crew, and the owner if there is room, which no verdict has made. */
void worker_room_appeared(struct worker *w);

#endif
