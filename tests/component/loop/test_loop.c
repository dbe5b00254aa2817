/* SPDX-License-Identifier: MIT */
/* Deferred work and timers in a real loop. */
#include "loop/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

struct fixture;

/* A piece of deferred work that notes when it ran and then does one thing more. */
struct work {
	struct deferred deferred;
	struct fixture *f;
	char name;
	void (*then)(struct work *w);
	unsigned runs;
};

enum { N_WORKS = 5 };

struct fixture {
	struct loop *loop;
	struct work works[N_WORKS]; /* named a, b, … */
	char order[256];            /* names in the order in which they ran; | for a turn's end */
	size_t n_order;
	uint64_t started_at_ms;
	ev_check turn;
	ev_timer stop;
};

static void note(struct fixture *f, char c)
{
	assert_true(f->n_order + 1 < sizeof(f->order));
	f->order[f->n_order++] = c;
	f->order[f->n_order] = '\0';
}

static void on_work(struct deferred *d)
{
	struct work *w = container_of(d, struct work, deferred);

	w->runs++;
	if (w->f->n_order < 200)
		note(w->f, w->name);
	if (w->then)
		w->then(w);
}

static void on_turn(struct ev_loop *ev, ev_check *w, int events)
{
	struct fixture *f = w->data;

	(void)ev;
	(void)events;
	if (f->n_order && f->order[f->n_order - 1] != '|' && f->n_order < 200)
		note(f, '|');
}

static void on_stop(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	loop_stop(((struct fixture *)w->data)->loop);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->loop = loop_new();
	for (int i = 0; i < N_WORKS; i++)
		f->works[i] =
		    (struct work){ .deferred.run = on_work, .f = f, .name = (char)('a' + i) };
	ev_check_init(&f->turn, on_turn);
	f->turn.data = f;
	ev_check_start(loop_ev(f->loop), &f->turn);
	ev_timer_init(&f->stop, on_stop, 0., 0.);
	f->stop.data = f;
	*state = f;
	alarm(30);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_free(f->loop);
	free(f);
	return 0;
}

static void defer(struct fixture *f, char name)
{
	loop_defer(f->loop, &f->works[name - 'a'].deferred);
}

static void run_for(struct fixture *f, uint64_t ms)
{
	loop_timer_in(f->loop, &f->stop, ms);
	loop_run(f->loop);
}

static void test_runs_once_in_order(void **state)
{
	struct fixture *f = *state;

	defer(f, 'b');
	defer(f, 'a');
	defer(f, 'b');
	defer(f, 'c');
	run_for(f, 5);
	assert_string_equal(f->order, "bac|");
	defer(f, 'a');
	run_for(f, 5);
	assert_string_equal(f->order, "bac|a|");
}

static void defer_next(struct work *w)
{
	defer(w->f, (char)(w->name + 1));
}

static void test_deferred_from_deferred_runs_in_the_same_turn(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		f->works[i].then = defer_next;
	defer(f, 'a');
	defer(f, 'e');
	run_for(f, 5);
	assert_string_equal(f->order, "aebcd|");
}

/* b is already waiting: asking again must not move it or run it twice. */
static void test_asking_again_changes_nothing(void **state)
{
	struct fixture *f = *state;

	f->works[0].then = defer_next;
	defer(f, 'a');
	defer(f, 'b');
	defer(f, 'c');
	run_for(f, 5);
	assert_string_equal(f->order, "abc|");
}

static void defer_itself_thrice(struct work *w)
{
	if (w->runs < 3)
		defer(w->f, w->name);
}

static void test_work_may_defer_itself(void **state)
{
	struct fixture *f = *state;

	f->works[0].then = defer_itself_thrice;
	defer(f, 'a');
	defer(f, 'b');
	run_for(f, 5);
	assert_string_equal(f->order, "abaa|");
}

static void defer_itself(struct work *w)
{
	defer(w->f, w->name);
}

/* Work that never ends must not keep timers and sockets from their turn, nor may it be lost. */
static void test_endless_work_lets_the_loop_turn(void **state)
{
	struct fixture *f = *state;

	f->works[0].then = defer_itself;
	defer(f, 'a');
	run_for(f, 20);
	assert_true(f->works[0].runs > 100);
	assert_non_null(strchr(f->order, '|'));
	loop_undefer(f->loop, &f->works[0].deferred);
}

static void test_undefer(void **state)
{
	struct fixture *f = *state;

	defer(f, 'a');
	defer(f, 'b');
	defer(f, 'c');
	loop_undefer(f->loop, &f->works[1].deferred);
	loop_undefer(f->loop, &f->works[3].deferred);
	run_for(f, 5);
	assert_string_equal(f->order, "ac|");
	loop_undefer(f->loop, &f->works[0].deferred);
	defer(f, 'b');
	run_for(f, 5);
	assert_string_equal(f->order, "ac|b|");
}

static void undefer_all(struct work *w)
{
	for (int i = 0; i < N_WORKS; i++)
		loop_undefer(w->f->loop, &w->f->works[i].deferred);
}

static void test_undefer_from_deferred(void **state)
{
	struct fixture *f = *state;

	f->works[1].then = undefer_all;
	for (char c = 'a'; c <= 'e'; c++)
		defer(f, c);
	run_for(f, 5);
	assert_string_equal(f->order, "ab|");
}

static void undefer_and_defer_next(struct work *w)
{
	loop_undefer(w->f->loop, &w->f->works[1].deferred);
	defer(w->f, 'b');
}

static void test_taken_back_and_deferred_again_goes_to_the_end(void **state)
{
	struct fixture *f = *state;

	f->works[0].then = undefer_and_defer_next;
	defer(f, 'a');
	defer(f, 'b');
	defer(f, 'c');
	run_for(f, 5);
	assert_string_equal(f->order, "acb|");
}

/* The work frees what it is part of: the reason for deferring. */
struct heap_work {
	struct deferred deferred;
	int *freed;
};

static void on_heap_work(struct deferred *d)
{
	struct heap_work *w = container_of(d, struct heap_work, deferred);

	++*w->freed;
	free(w);
}

static void test_work_may_free_itself(void **state)
{
	struct fixture *f = *state;
	int freed = 0;

	for (int i = 0; i < 3; i++) {
		struct heap_work *w = calloc(1, sizeof(*w));

		w->deferred.run = on_heap_work;
		w->freed = &freed;
		loop_defer(f->loop, &w->deferred);
	}
	run_for(f, 5);
	assert_int_equal(freed, 3);
}

static void test_free_runs_what_is_left(void **state)
{
	struct fixture *f = *state;
	int freed = 0;
	struct heap_work *w = calloc(1, sizeof(*w));

	w->deferred.run = on_heap_work;
	w->freed = &freed;
	loop_defer(f->loop, &w->deferred);
	ev_check_stop(loop_ev(f->loop), &f->turn);
	loop_free(f->loop);
	assert_int_equal(freed, 1);
	loop_free(NULL);
	f->loop = loop_new();
}

static void stop_loop(struct work *w)
{
	loop_stop(w->f->loop);
}

/* There is no watcher left that could wake the loop: it must not go to sleep. */
static void test_stop_from_deferred(void **state)
{
	struct fixture *f = *state;

	f->works[0].then = stop_loop;
	defer(f, 'a');
	loop_run(f->loop);
	assert_string_equal(f->order, "a");
}

static void on_readable(struct ev_loop *ev, ev_io *w, int events)
{
	struct fixture *f = w->data;
	char c;

	(void)ev;
	(void)events;
	assert_int_equal(read(w->fd, &c, 1), 1);
	note(f, c);
	defer(f, 'a');
}

/* Several events of one turn, one run of what they all asked for. */
static void test_many_events_one_run(void **state)
{
	struct fixture *f = *state;
	ev_io watchers[3];
	int fds[3][2];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(pipe(fds[i]), 0);
		assert_int_equal(write(fds[i][1], "x", 1), 1);
		ev_io_init(&watchers[i], on_readable, fds[i][0], EV_READ);
		watchers[i].data = f;
		ev_io_start(loop_ev(f->loop), &watchers[i]);
	}
	run_for(f, 5);
	assert_string_equal(f->order, "xxxa|");
	assert_int_equal(f->works[0].runs, 1);
	for (int i = 0; i < 3; i++) {
		ev_io_stop(loop_ev(f->loop), &watchers[i]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

static const uint64_t delays_ms[] = { 0, 1, 2, 5, 20, 50 };

static void test_timer_is_not_early(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(delays_ms); i++) {
		uint64_t before = clock_mono_us(), after;

		run_for(f, delays_ms[i]);
		after = clock_mono_us();
		/* libev rounds to its own resolution, a fraction of a millisecond. */
		assert_true(after - before + 500 >= 1000 * delays_ms[i]);
	}
}

static void on_busy(struct ev_loop *ev, ev_timer *w, int events)
{
	struct fixture *f = w->data;
	uint64_t until = clock_mono_ms() + 30;

	(void)ev;
	(void)events;
	while (clock_mono_ms() < until)
		;
	loop_timer_in(f->loop, &f->stop, 40);
}

/* The delay counts from the call, not from the time at which the turn began. */
static void test_timer_set_late_in_a_turn(void **state)
{
	struct fixture *f = *state;
	ev_timer busy;
	uint64_t before = clock_mono_ms();

	ev_timer_init(&busy, on_busy, 0., 0.);
	busy.data = f;
	loop_timer_in(f->loop, &busy, 1);
	loop_run(f->loop);
	assert_true(clock_mono_ms() - before >= 30 + 40);
}

static void test_timer_restarted(void **state)
{
	struct fixture *f = *state;
	uint64_t before = clock_mono_ms();

	loop_timer_in(f->loop, &f->stop, 60000);
	loop_timer_in(f->loop, &f->stop, 10);
	loop_run(f->loop);
	assert_in_range(clock_mono_ms() - before, 9, 10000);
	assert_false(ev_is_active(&f->stop));
}

static void on_note_time(struct deferred *d)
{
	struct work *w = container_of(d, struct work, deferred);

	w->runs++;
	note(w->f, loop_now_ms(w->f->loop) >= w->f->started_at_ms ? 'y' : 'n');
}

/* The time of the turn, in the first one too, however long ago the loop was made. */
enum { N_FINE = 3, FINE_STEP_US = 1300 };

struct fine {
	struct fine_timer timer;
	struct fixture *f;
	uint64_t due_at_us;
	char name;
	bool again;
};

static void start_fine(struct fine *x, uint64_t delay_us)
{
	x->due_at_us = clock_mono_us() + delay_us;
	loop_fine_timer_in(x->f->loop, &x->timer, delay_us);
}

static void on_fine(struct fine_timer *t)
{
	struct fine *x = container_of(t, struct fine, timer);

	assert_false(loop_fine_timer_runs(t));
	assert_true(clock_mono_us() >= x->due_at_us);
	note(x->f, x->name);
	if (x->again)
		start_fine(x, FINE_STEP_US);
	x->again = false;
	if (x->f->n_order == N_FINE)
		loop_stop(x->f->loop);
}

static void init_fine(struct fixture *f, struct fine fine[N_FINE])
{
	ev_check_stop(loop_ev(f->loop), &f->turn);
	for (int i = 0; i < N_FINE; i++)
		fine[i] = (struct fine){ .timer.on_due = on_fine, .f = f, .name = (char)('a' + i) };
}

static rlim_t lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return (rlim_t)fd;
}

static void test_fine_timers_in_the_order_of_time(void **state)
{
	struct fixture *f = *state;
	struct fine fine[N_FINE];

	init_fine(f, fine);
	start_fine(&fine[0], 3 * FINE_STEP_US);
	start_fine(&fine[1], 0);
	start_fine(&fine[2], 2 * FINE_STEP_US);
	run_for(f, 10000);
	assert_string_equal(f->order, "bca");
}

static void test_fine_timer_stopped_and_restarted(void **state)
{
	struct fixture *f = *state;
	struct fine fine[N_FINE];

	init_fine(f, fine);
	fine[1].again = true;
	start_fine(&fine[0], FINE_STEP_US);
	start_fine(&fine[1], 4 * FINE_STEP_US);
	start_fine(&fine[1], 2 * FINE_STEP_US);
	start_fine(&fine[2], 3 * FINE_STEP_US);
	loop_fine_timer_stop(f->loop, &fine[0].timer);
	loop_fine_timer_stop(f->loop, &fine[0].timer);
	assert_false(loop_fine_timer_runs(&fine[0].timer));
	assert_true(loop_fine_timer_runs(&fine[1].timer));
	run_for(f, 10000);
	assert_int_equal(f->n_order, N_FINE);
	assert_null(strchr(f->order, 'a'));
}

/* No descriptor is left for them. */
static void test_fine_timers_without_a_descriptor(void **state)
{
	struct fixture *f = *state;
	struct fine fine[N_FINE];
	struct fine_timers timers = { 0 };
	struct rlimit before, none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ lowest_free_fd(), before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fine_timers_init(&timers, loop_ev(f->loop));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	init_fine(f, fine);
	for (int i = 0; i < N_FINE; i++) {
		fine[i].due_at_us = clock_mono_us() + (uint64_t)i * FINE_STEP_US;
		fine_timers_start(&timers, &fine[i].timer, (uint64_t)i * FINE_STEP_US);
	}
	run_for(f, 10000);
	assert_string_equal(f->order, "abc");
	fine_timers_done(&timers);
}

static void test_now(void **state)
{
	struct fixture *f = *state;

	f->started_at_ms = clock_mono_ms() + 30;
	while (clock_mono_ms() < f->started_at_ms)
		;
	f->works[0].deferred.run = on_note_time;
	defer(f, 'a');
	run_for(f, 1);
	assert_string_equal(f->order, "y|");
	assert_true(loop_now_ms(f->loop) <= clock_mono_ms());
}

static void take_long(struct work *w)
{
	uint64_t until_ms = clock_mono_ms() + 60;

	(void)w;
	while (clock_mono_ms() < until_ms)
		;
}

static void test_longest_stall(void **state)
{
	struct fixture *f = *state;

	run_for(f, 5);
	loop_take_longest_stall_ms(f->loop);
	f->works[0].then = take_long;
	defer(f, 'a');
	run_for(f, 100);
	defer(f, 'b');
	run_for(f, 20);
	assert_true(loop_take_longest_stall_ms(f->loop) >= 59);
	assert_int_equal(loop_take_longest_stall_ms(f->loop), 0);
}

static void test_sleep_is_no_stall(void **state)
{
	struct fixture *f = *state;

	run_for(f, 5);
	loop_take_longest_stall_ms(f->loop);
	run_for(f, 300);
	run_for(f, 5);
	assert_true(loop_take_longest_stall_ms(f->loop) < 250);
}

static void look_at_wall_clock(struct work *w)
{
	struct loop *l = w->f->loop;
	uint64_t seen_ms = loop_wall_ms(l);

	assert_true(clock_wall_ms() - seen_ms < 1000);
	take_long(w);
	assert_int_equal(loop_wall_ms(l), seen_ms);
}

static void test_wall_time_is_of_the_turn(void **state)
{
	struct fixture *f = *state;

	f->works[0].then = look_at_wall_clock;
	for (int i = 0; i < 3; i++) {
		defer(f, 'a');
		run_for(f, 5);
	}
	assert_int_equal(f->works[0].runs, 3);
}

static void test_scratch_is_ours(void **state)
{
	struct fixture *f = *state;

	memset(loop_scratch(f->loop), 0xee, LOOP_SCRATCH_BYTES);
	defer(f, 'a');
	run_for(f, 1);
	assert_string_equal(f->order, "a|");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_runs_once_in_order),
		TEST(test_deferred_from_deferred_runs_in_the_same_turn),
		TEST(test_asking_again_changes_nothing),
		TEST(test_work_may_defer_itself),
		TEST(test_endless_work_lets_the_loop_turn),
		TEST(test_undefer),
		TEST(test_undefer_from_deferred),
		TEST(test_taken_back_and_deferred_again_goes_to_the_end),
		TEST(test_work_may_free_itself),
		TEST(test_free_runs_what_is_left),
		TEST(test_stop_from_deferred),
		TEST(test_many_events_one_run),
		TEST(test_timer_is_not_early),
		TEST(test_timer_set_late_in_a_turn),
		TEST(test_timer_restarted),
		TEST(test_fine_timers_in_the_order_of_time),
		TEST(test_fine_timer_stopped_and_restarted),
		TEST(test_fine_timers_without_a_descriptor),
		TEST(test_now),
		TEST(test_longest_stall),
		TEST(test_sleep_is_no_stall),
		TEST(test_wall_time_is_of_the_turn),
		TEST(test_scratch_is_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
