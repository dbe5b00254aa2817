/* SPDX-License-Identifier: MIT */
/*
 * Owns the ev_loop and the list of deferred work, which one ev_prepare watcher empties each turn:
 * after all callbacks of the turn, before the kernel is asked for more.
 */
#include "loop/loop.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

/* Work may defer more work; a cycle of it must not keep the loop from its events. */
enum { DEFERRED_ROUNDS = 16 };

/* Nothing tells when whoever reads the log has room again. */
static const double log_again_s = 0.02;

struct loop {
	struct ev_loop *ev;
	ev_prepare before_sleep;
	ev_check after_sleep;
	ev_timer again; /* wakes the loop while deferred work, or log, is left */
	struct fine_timers fine;
	struct list deferred;
	uint64_t now_ms;
	uint64_t wall_ms, wall_for_ms; /* as of one value of now_ms */
	uint64_t longest_stall_ms;
	ev_timer heartbeat; /* a quiet loop must come round, too, to be known as alive */
	uint64_t stall_ms;
	stall_fn *on_stall;
	void *stall_owner;
	char scratch[LOOP_SCRATCH_BYTES];
};

static void run_deferred(struct loop *l)
{
	for (int round = 0; round < DEFERRED_ROUNDS && !list_empty(&l->deferred); round++) {
		size_t n = l->deferred.len;

		while (n-- && !list_empty(&l->deferred)) {
			struct list_node *node = list_pop(&l->deferred);
			struct deferred *d = container_of(node, struct deferred, node);

			d->run(d);
		}
	}
}

static void note_stall(struct loop *l, uint64_t gap_ms)
{
	if (gap_ms > l->longest_stall_ms)
		l->longest_stall_ms = gap_ms;
}

static void wake_in(struct loop *l, double seconds)
{
	ev_timer_stop(l->ev, &l->again);
	ev_timer_set(&l->again, seconds, 0.);
	ev_timer_start(l->ev, &l->again);
}

static void on_before_sleep(struct ev_loop *ev, ev_prepare *w, int events)
{
	struct loop *l = w->data;
	bool is_log_left;

	(void)ev;
	(void)events;
	run_deferred(l);
	is_log_left = !log_flush();
	note_stall(l, clock_mono_ms() - l->now_ms);
	if (!list_empty(&l->deferred))
		wake_in(l, 0.);
	else if (is_log_left)
		wake_in(l, log_again_s);
}

static void on_after_sleep(struct ev_loop *ev, ev_check *w, int events)
{
	struct loop *l = w->data;
	uint64_t gap_ms = clock_mono_ms() - l->now_ms;

	(void)ev;
	(void)events;
	l->now_ms += gap_ms;
	if (!l->on_stall || gap_ms <= l->stall_ms)
		return;
	note_stall(l, gap_ms);
	l->on_stall(l->stall_owner, gap_ms);
}

static void on_heartbeat(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)w;
	(void)events;
}

static void on_again(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)w;
	(void)events;
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	/* LIBEV_FLAGS in the environment must not choose the backend: EVFLAG_NOENV. */
	l->ev = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (!l->ev)
		l->ev = ev_default_loop(EVBACKEND_POLL | EVFLAG_NOENV);
	assert(l->ev);
	fine_timers_init(&l->fine, l->ev);
	list_init(&l->deferred);
	l->now_ms = clock_mono_ms();
	ev_timer_init(&l->again, on_again, 0., 0.);
	ev_init(&l->heartbeat, on_heartbeat);
	ev_prepare_init(&l->before_sleep, on_before_sleep);
	l->before_sleep.data = l;
	ev_prepare_start(l->ev, &l->before_sleep);
	ev_check_init(&l->after_sleep, on_after_sleep);
	l->after_sleep.data = l;
	/* First of all callbacks of a turn: the others read the time it sets. */
	ev_set_priority(&l->after_sleep, EV_MAXPRI);
	ev_check_start(l->ev, &l->after_sleep);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	run_deferred(l);
	fine_timers_done(&l->fine);
	ev_timer_stop(l->ev, &l->again);
	ev_timer_stop(l->ev, &l->heartbeat);
	ev_prepare_stop(l->ev, &l->before_sleep);
	ev_check_stop(l->ev, &l->after_sleep);
	ev_loop_destroy(l->ev);
	free(l);
}

struct ev_loop *loop_ev(struct loop *l)
{
	return l->ev;
}

void loop_run(struct loop *l)
{
	l->now_ms = clock_mono_ms();
	ev_run(l->ev, 0);
}

void loop_stop(struct loop *l)
{
	ev_break(l->ev, EVBREAK_ALL);
}

void loop_defer(struct loop *l, struct deferred *d)
{
	if (!list_listed(&d->node))
		list_append(&l->deferred, &d->node);
}

void loop_undefer(struct loop *l, struct deferred *d)
{
	if (list_listed(&d->node))
		list_remove(&l->deferred, &d->node);
}

uint64_t loop_now_ms(const struct loop *l)
{
	return l->now_ms;
}

uint64_t loop_wall_ms(struct loop *l)
{
	if (l->wall_for_ms != l->now_ms) {
		l->wall_for_ms = l->now_ms;
		l->wall_ms = clock_wall_ms();
	}
	return l->wall_ms;
}

uint64_t loop_take_longest_stall_ms(struct loop *l)
{
	uint64_t longest_ms = l->longest_stall_ms;

	l->longest_stall_ms = 0;
	return longest_ms;
}

void loop_watch_stalls(struct loop *l, uint64_t threshold_ms, stall_fn *on_stall, void *owner)
{
	double beat = (double)threshold_ms / 2000.;

	l->stall_ms = threshold_ms;
	l->on_stall = on_stall;
	l->stall_owner = owner;
	ev_timer_stop(l->ev, &l->heartbeat);
	ev_timer_set(&l->heartbeat, beat, beat);
	ev_timer_start(l->ev, &l->heartbeat);
}

void loop_timer_in(struct loop *l, ev_timer *timer, uint64_t delay_ms)
{
	ev_timer_stop(l->ev, timer);
	/* libev counts from the time it took before this turn's callbacks; without the update a
	 * long callback would make the timer fire early. */
	ev_now_update(l->ev);
	ev_timer_set(timer, (double)delay_ms / 1000., 0.);
	ev_timer_start(l->ev, timer);
}

void loop_fine_timer_in(struct loop *l, struct fine_timer *timer, uint64_t delay_us)
{
	fine_timers_start(&l->fine, timer, delay_us);
}

void loop_fine_timer_stop(struct loop *l, struct fine_timer *timer)
{
	fine_timers_stop(&l->fine, timer);
}

bool loop_fine_timer_runs(const struct fine_timer *timer)
{
	return list_listed(&timer->node);
}

char *loop_scratch(struct loop *l)
{
	return l->scratch;
}
