/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers that count in microseconds. libev waits in whole milliseconds, rounded up anew
 * whenever an event comes in between: one of 1.4 ms would take up to 3. Inside loop/: the loop has
 * them (loop/loop.h).
 */
#ifndef SLUICED_LOOP_FINETIMER_H
#define SLUICED_LOOP_FINETIMER_H

#include <ev.h>
#include <stdint.h>

#include "base/list.h"

/* Embed one in whoever needs it and set on_due once. */
struct fine_timer {
	struct list_node node;
	uint64_t due_at_us;
	void (*on_due)(struct fine_timer *t);
};

/* All of a loop; few run at a time. */
struct fine_timers {
	struct ev_loop *ev;
	struct list running;
	ev_io io;       /* of a timerfd; its fd is -1 where the system gives none */
	ev_timer stead; /* does its work then */
};

void fine_timers_init(struct fine_timers *f, struct ev_loop *ev);
void fine_timers_done(struct fine_timers *f);

void fine_timers_start(struct fine_timers *f, struct fine_timer *t, uint64_t delay_us);
void fine_timers_stop(struct fine_timers *f, struct fine_timer *t);

#endif
