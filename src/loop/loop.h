/* SPDX-License-Identifier: MIT */
/*
 * The event loop and *what to do before it sleeps*. One mechanism serves frees that must not happen
 * under a caller's feet, batches (acknowledgements, pipe and socket writes) that leave together,
 * and decisions that are taken once a turn however many events ask for them.
 */
#ifndef SLUICED_LOOP_LOOP_H
#define SLUICED_LOOP_LOOP_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/finetimer.h"

struct loop;

/* Work for the end of this turn. Embed one in whoever needs it and set `run` once. */
struct deferred {
	struct list_node node;
	void (*run)(struct deferred *d);
};

/* There is one loop in a process: it owns SIGCHLD. */
struct loop *loop_new(void);
void loop_free(struct loop *l);

/* For starting watchers. */
struct ev_loop *loop_ev(struct loop *l);

/* Turns until loop_stop() is called. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Runs d once before the loop next sleeps; does nothing when it is already waiting to run. Work
 * deferred by deferred work runs in the same turn, after it. */
void loop_defer(struct loop *l, struct deferred *d);

/* Takes d back if it has not run yet. */
void loop_undefer(struct loop *l, struct deferred *d);

/* Monotonic time as of this turn. */
uint64_t loop_now_ms(const struct loop *l);

/* Wall time as of this turn. */
uint64_t loop_wall_ms(struct loop *l);

/* The longest time, in milliseconds, for which events had to wait since this was last called: a
 * turn that took long, or a stall. */
uint64_t loop_take_longest_stall_ms(struct loop *l);

/*
 * Calls on_stall, before anything else in that turn, when the loop has not come round for longer
 * than threshold_ms: the process was stopped, the machine suspended, or a callback took that long.
 */
typedef void stall_fn(void *owner, uint64_t gap_ms);
void loop_watch_stalls(struct loop *l, uint64_t threshold_ms, stall_fn *on_stall, void *owner);

/* Starts (or restarts) a one-shot timer that is due in delay_ms from now. */
void loop_timer_in(struct loop *l, ev_timer *timer, uint64_t delay_ms);

/* The same in microseconds. Its on_due() may start or stop it, and no other. */
void loop_fine_timer_in(struct loop *l, struct fine_timer *timer, uint64_t delay_us);
void loop_fine_timer_stop(struct loop *l, struct fine_timer *timer);
bool loop_fine_timer_runs(const struct fine_timer *timer);

/* Scratch memory for one read() whose bytes are used up before the caller returns to the loop. */
enum { LOOP_SCRATCH_BYTES = 64 * 1024 };
char *loop_scratch(struct loop *l);

#endif
