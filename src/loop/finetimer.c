/* SPDX-License-Identifier: MIT */
/* Owns one timerfd, set for the timer that is due first. One that was stopped may still wake. */
#include "loop/finetimer.h"

#include <stdbool.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/compiler.h"

static uint64_t first_due_at_us(const struct fine_timers *f)
{
	uint64_t first_us = UINT64_MAX;

	list_foreach(&f->running, node) {
		const struct fine_timer *t = container_of(node, struct fine_timer, node);

		if (t->due_at_us < first_us)
			first_us = t->due_at_us;
	}
	return first_us;
}

/* A wait of nothing would switch it off. */
static void wake_in(struct fine_timers *f, uint64_t us)
{
	struct itimerspec when = { .it_value = { .tv_sec = (time_t)(us / 1000000),
		                       .tv_nsec = (long)(us % 1000000) * 1000 + 1 } };

	if (f->io.fd >= 0) {
		timerfd_settime(f->io.fd, 0, &when, NULL);
		return;
	}
	ev_timer_stop(f->ev, &f->stead);
	ev_now_update(f->ev);
	ev_timer_set(&f->stead, (double)us / 1e6, 0.);
	ev_timer_start(f->ev, &f->stead);
}

static void fire(struct fine_timers *f)
{
	uint64_t now_us = clock_mono_us(), first_us;

	list_foreach_safe(&f->running, node) {
		struct fine_timer *t = container_of(node, struct fine_timer, node);

		if (t->due_at_us > now_us)
			continue;
		list_remove(&f->running, node);
		t->on_due(t);
	}
	first_us = first_due_at_us(f);
	if (first_us != UINT64_MAX)
		wake_in(f, first_us > now_us ? first_us - now_us : 0);
}

static void on_timerfd(struct ev_loop *ev, ev_io *w, int events)
{
	uint64_t n_times;

	(void)ev;
	(void)events;
	if (read(w->fd, &n_times, sizeof(n_times)) > 0)
		fire(container_of(w, struct fine_timers, io));
}

static void on_stead(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	fire(container_of(w, struct fine_timers, stead));
}

void fine_timers_init(struct fine_timers *f, struct ev_loop *ev)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	f->ev = ev;
	list_init(&f->running);
	ev_timer_init(&f->stead, on_stead, 0., 0.);
	ev_io_init(&f->io, on_timerfd, fd, EV_READ);
	if (fd >= 0)
		ev_io_start(ev, &f->io);
}

void fine_timers_done(struct fine_timers *f)
{
	ev_timer_stop(f->ev, &f->stead);
	if (f->io.fd < 0)
		return;
	ev_io_stop(f->ev, &f->io);
	close(f->io.fd);
}

void fine_timers_start(struct fine_timers *f, struct fine_timer *t, uint64_t delay_us)
{
	uint64_t now_us = clock_mono_us();

	fine_timers_stop(f, t);
	t->due_at_us = now_us + delay_us;
	if (t->due_at_us < first_due_at_us(f))
		wake_in(f, delay_us);
	list_append(&f->running, &t->node);
}

void fine_timers_stop(struct fine_timers *f, struct fine_timer *t)
{
	if (list_listed(&t->node))
		list_remove(&f->running, &t->node);
}
