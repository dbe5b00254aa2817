/* SPDX-License-Identifier: MIT */
/* Worker mode when processes crash, hang, flood or talk nonsense: who is charged, and what comes
 * after. */
#include "harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

#define OK "echo ok $tag >&3"

static struct harness *worker(uint64_t window)
{
	struct harness *h = harness_new();

	harness_worker(h, window);
	return h;
}

/* Entry 0 proves the worker when `proof` is set; then n entries, the first of which runs how. */
struct death {
	const char *how;
	const char *proof;
	unsigned n;
	bool parallel;
	struct {
		enum verdict verdict;
		enum failure failure;
		bool charged, suspect;
	} first, behind;
	unsigned n_broken;
};

#define BROKEN                                                                                     \
	{                                                                                          \
		VERDICT_BROKEN, FAILURE_BROKEN, false, false                                       \
	}
#define CHARGED_E                                                                                  \
	{                                                                                          \
		VERDICT_RETRY, FAILURE_EXIT, true, false                                           \
	}
#define CHARGED_S                                                                                  \
	{                                                                                          \
		VERDICT_RETRY, FAILURE_SIGNAL, true, false                                         \
	}
#define BACK                                                                                       \
	{                                                                                          \
		VERDICT_RETRY, FAILURE_NONE, false, false                                          \
	}
#define SUSPECT                                                                                    \
	{                                                                                          \
		VERDICT_RETRY, FAILURE_NONE, false, true                                           \
	}

static const struct death deaths[] = {
	{ "exit 9", OK, 4, false, CHARGED_E, BACK, 0 },
	{ "exit 0", OK, 4, false, CHARGED_E, BACK, 0 },
	{ "exit 65", OK, 4, false, CHARGED_E, BACK, 0 },
	{ "kill -SEGV $$", OK, 4, false, CHARGED_S, BACK, 0 },
	{ "kill -TERM $$", OK, 1, false, CHARGED_S, BACK, 0 },
	{ "exit 64", OK, 4, false, BROKEN, BROKEN, 0 },
	{ "exit 78", OK, 4, false, BROKEN, BROKEN, 0 },
	{ "exit 126", OK, 4, true, BROKEN, BROKEN, 0 },
	{ "exit 127", OK, 1, true, BROKEN, BROKEN, 0 },
	{ "exit 9", NULL, 4, false, BROKEN, BROKEN, 0 },
	{ "exit 0", NULL, 1, false, BROKEN, BROKEN, 0 },
	{ "kill -SEGV $$", NULL, 4, true, BROKEN, BROKEN, 0 },
	{ "exit 9", "echo dead $tag >&3", 2, false, BROKEN, BROKEN, 0 },
	{ "exit 9", "echo drop $tag >&3", 2, false, CHARGED_E, BACK, 0 },
	{ "exit 9", OK, 4, true, SUSPECT, SUSPECT, 0 },
	{ "kill -SEGV $$", OK, 2, true, SUSPECT, SUSPECT, 0 },
	{ "exit 9", OK, 1, true, CHARGED_E, BACK, 0 },
	{ "exit 0", OK, 1, true, CHARGED_E, BACK, 0 },
	{ "echo broken no db >&3; sleep 60", OK, 4, false, BROKEN, BROKEN, 0 },
	{ "echo broken >&3; exit 78", NULL, 4, true, BROKEN, BROKEN, 0 },
	{ "echo broken no db >&3; sleep 60", OK, 4, true, BROKEN, BROKEN, 0 },
};

static void assert_came_back(const struct handed *e, const struct death *d, unsigned place)
{
	enum verdict verdict = place ? d->behind.verdict : d->first.verdict;
	enum failure failure = place ? d->behind.failure : d->first.failure;
	bool charged = place ? d->behind.charged : d->first.charged;

	assert_outcome(e, verdict, failure, charged);
	assert_int_equal(e->outcome.suspect, place ? d->behind.suspect : d->first.suspect);
	if (verdict == VERDICT_RETRY && !charged) {
		assert_true(e->outcome.has_delay);
		assert_int_equal(e->outcome.delay_ms, 0);
	}
}

/* The worker must have read the entries behind, or they would not count as begun: it reads them
 * with the one before. */
static void run_death(const struct death *d)
{
	struct harness *h = worker(4);
	unsigned first = d->proof ? 1 : 0;
	char how[256];

	h->settings.parallel = d->parallel;
	h->settings.kill_grace_ms = 100;
	harness_start(h);
	if (d->proof)
		harness_pump(h, d->proof, 1);
	snprintf(how, sizeof(how), "for i in $(seq %u); do IFS= read -r entry; done; %s", d->n - 1,
	    d->how);
	for (unsigned n = 0; n < d->n; n++)
		harness_offer(h, how);
	harness_wait_all(h);
	for (unsigned n = 0; n < d->n; n++)
		assert_came_back(&h->handed[first + n], d, n);
	assert_int_equal(h->n_broken, d->n_broken);
	harness_wait_room(h, 4);
	harness_pump(h, OK, 3);
	harness_done(h);
}

static void test_deaths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(deaths); i++) {
		print_message("death %zu: %s\n", i, deaths[i].how);
		run_death(&deaths[i]);
	}
}

static void test_texts_of_deaths(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_start(h);
	harness_pump(h, OK, 1);
	harness_pump(h, "echo oops >&2; exit 0", 1);
	assert_string_equal(h->handed[1].detail, "exit status 0 with the entry unfinished");
	assert_string_equal(h->handed[1].stderr_tail, "oops\n");
	assert_int_equal(h->handed[1].outcome.exit_status, 0);
	harness_wait_room(h, 1);
	harness_pump(h, OK, 1);
	harness_pump(h, "kill -SEGV $$", 1);
	assert_string_equal(h->handed[3].detail, "SIGSEGV");
	assert_int_equal(h->handed[3].outcome.signal, SIGSEGV);
	harness_done(h);
}

static void test_unread_entries_are_not_charged(void **state)
{
	struct harness *h = worker(3);

	(void)state;
	harness_start(h);
	harness_offer(h, "sleep 0.1; " OK "; exit 9");
	harness_offer(h, OK);
	harness_offer(h, OK);
	harness_wait_all(h);
	assert_outcome(&h->handed[0], VERDICT_OK, FAILURE_NONE, false);
	assert_outcome(&h->handed[1], VERDICT_RETRY, FAILURE_NONE, false);
	assert_outcome(&h->handed[2], VERDICT_RETRY, FAILURE_NONE, false);
	harness_done(h);
}

static void test_verdicts_before_the_end_count(void **state)
{
	struct harness *h = worker(3);

	(void)state;
	harness_start(h);
	harness_offer(h, "IFS= read -r x; IFS= read -r x; echo ok 2 3 >&3; echo ok 1 >&3; exit 9");
	harness_offer(h, OK);
	harness_offer(h, OK);
	harness_wait_all(h);
	for (int n = 0; n < 3; n++)
		assert_outcome(&h->handed[n], VERDICT_OK, FAILURE_NONE, false);
	harness_done(h);
}

static void test_unended_line_does_not_count(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_start(h);
	harness_pump(h, OK, 1);
	harness_pump(h, "printf 'ok 2' >&3; exit 9", 1);
	assert_outcome(&h->handed[1], VERDICT_RETRY, FAILURE_EXIT, true);
	harness_done(h);
}

static void test_closed_pipes_are_no_end(void **state)
{
	struct harness *h = worker(2);

	(void)state;
	harness_start(h);
	harness_offer(h,
	    "exec 0</dev/null 1>&- 2>&-; sleep 0.2; " OK "; exec 3>&-; sleep 0.2; exit 9");
	harness_offer(h, OK);
	harness_wait_verdict(h, &h->handed[0]);
	assert_outcome(&h->handed[0], VERDICT_OK, FAILURE_NONE, false);
	assert_int_equal(h->handed[1].n_verdicts, 0);
	harness_wait_all(h);
	assert_false(h->handed[1].outcome.charged);
	harness_done(h);
}

static void test_lost_input_takes_no_more_entries(void **state)
{
	struct harness *h = worker(3);

	(void)state;
	harness_start(h);
	harness_offer(h, "exec 0</dev/null; echo closed; sleep 0.3; " OK);
	harness_wait_log(h, "\"closed\"");
	harness_offer(h, OK);
	harness_turn(h, 20);
	assert_int_equal(pool_room(h->pool), 0);
	harness_wait_all(h);
	assert_outcome(&h->handed[0], VERDICT_OK, FAILURE_NONE, false);
	assert_outcome(&h->handed[1], VERDICT_RETRY, FAILURE_NONE, false);
	harness_wait_room(h, 3);
	harness_done(h);
}

static void test_background_process_of_a_dead_worker(void **state)
{
	struct harness *h = worker(1);
	uint64_t began = clock_mono_ms();

	(void)state;
	harness_start(h);
	harness_pump(h, OK, 1);
	harness_pump(h, "sleep 3 & exit 9", 1);
	assert_outcome(&h->handed[1], VERDICT_RETRY, FAILURE_EXIT, true);
	assert_in_range(clock_mono_ms() - began, 0, 2500);
	harness_done(h);
}

/* --- suspects --------------------------------------------------------------------------------- */

static void test_suspects_are_run_alone(void **state)
{
	struct harness *h = worker(3);
	struct handed *e = h->handed;

	(void)state;
	h->settings.parallel = true;
	harness_start(h);
	harness_pump(h, OK, 1);
	harness_offer(h, "IFS= read -r x; exit 9");
	harness_offer(h, ":");
	harness_wait_all(h);
	assert_true(e[1].entry.suspect && e[2].entry.suspect);
	harness_wait_room(h, 3);
	harness_offer_again(h, &e[1], "sleep 0.1; " OK);
	assert_int_equal(pool_room(h->pool), 0);
	assert_false(pool_room_alone(h->pool));
	harness_wait_all(h);
	assert_outcome(&e[1], VERDICT_OK, FAILURE_NONE, false);
	assert_true(pool_room_alone(h->pool));
	harness_offer_again(h, &e[2], "exit 9");
	harness_wait_all(h);
	assert_outcome(&e[2], VERDICT_RETRY, FAILURE_EXIT, true);
	assert_false(e[2].entry.suspect);
	harness_done(h);
}

static void test_suspect_is_charged_by_an_unproven_worker(void **state)
{
	struct harness *h = worker(3);
	struct handed *e = h->handed;

	(void)state;
	h->settings.parallel = true;
	harness_start(h);
	harness_pump(h, OK, 1);
	harness_offer(h, "IFS= read -r x; exit 9");
	harness_offer(h, ":");
	harness_wait_all(h);
	harness_wait_room(h, 3);
	harness_offer_again(h, &e[2], "kill -SEGV $$");
	harness_wait_all(h);
	assert_outcome(&e[2], VERDICT_RETRY, FAILURE_SIGNAL, true);
	harness_done(h);
}

static void test_suspect_needs_an_idle_worker(void **state)
{
	struct harness *h = worker(2);

	(void)state;
	harness_start(h);
	harness_offer(h, "sleep 0.1; " OK);
	assert_int_equal(pool_room(h->pool), 1);
	assert_false(pool_room_alone(h->pool));
	harness_wait_all(h);
	assert_true(pool_room_alone(h->pool));
	harness_done(h);
}

/* --- timeouts --------------------------------------------------------------------------------- */

static void test_timeout_charges_the_oldest(void **state)
{
	struct harness *h = worker(3);

	(void)state;
	h->settings.timeout_ms = 200;
	h->settings.kill_grace_ms = 200;
	harness_start(h);
	harness_offer(h, "trap '' TERM; sleep 60; sleep 60; sleep 60");
	harness_offer(h, OK);
	harness_offer(h, OK);
	harness_wait_all(h);
	assert_outcome(&h->handed[0], VERDICT_RETRY, FAILURE_TIMEOUT, true);
	assert_string_equal(h->handed[0].detail, "timed out after 200 ms");
	assert_int_equal(h->handed[0].outcome.signal, SIGKILL);
	assert_outcome(&h->handed[1], VERDICT_RETRY, FAILURE_NONE, false);
	assert_outcome(&h->handed[2], VERDICT_RETRY, FAILURE_NONE, false);
	assert_int_equal(h->n_broken, 0);
	harness_wait_room(h, 3);
	harness_pump(h, OK, 1);
	harness_done(h);
}

/* Until it is dead its other verdicts count, but not one for the entry that timed out. */
static void test_verdicts_between_sigterm_and_death(void **state)
{
	struct harness *h = worker(2);

	(void)state;
	h->settings.timeout_ms = 200;
	h->settings.parallel = true;
	harness_start(h);
	harness_offer(h, "trap 'echo ok 1 >&3; echo ok 2 >&3; exit 0' TERM; sleep 60 & wait");
	harness_turn(h, 100);
	harness_offer(h, OK);
	harness_wait_all(h);
	assert_outcome(&h->handed[0], VERDICT_RETRY, FAILURE_TIMEOUT, true);
	assert_outcome(&h->handed[1], VERDICT_OK, FAILURE_NONE, false);
	assert_int_equal(pool_counters(h->pool)->protocol_errors, 0);
	harness_done(h);
}

static void test_all_that_time_out_together_are_charged(void **state)
{
	struct harness *h = worker(2);

	(void)state;
	h->settings.timeout_ms = 200;
	h->settings.parallel = true;
	harness_start(h);
	harness_offer(h, "sleep 60");
	harness_offer(h, OK);
	harness_wait_all(h);
	assert_outcome(&h->handed[0], VERDICT_RETRY, FAILURE_TIMEOUT, true);
	assert_outcome(&h->handed[1], VERDICT_RETRY, FAILURE_TIMEOUT, true);
	harness_done(h);
}

static void loop_stays_still(unsigned ms)
{
	usleep(1000 * ms);
}

/* A verdict that has been waiting while the loop stood still is believed before the clock. */
static void test_stalled_loop_charges_nobody(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	h->settings.timeout_ms = 300;
	harness_start(h);
	harness_offer(h, OK);
	harness_turn(h, 10);
	if (!h->handed[0].n_verdicts)
		harness_wait_all(h);
	harness_offer(h, "sleep 0.1; " OK);
	harness_turn(h, 20);
	loop_stays_still(600);
	harness_wait_all(h);
	assert_outcome(&h->handed[1], VERDICT_OK, FAILURE_NONE, false);
	harness_done(h);
}

static void test_worker_that_does_not_leave(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	h->settings.timeout_ms = 200;
	harness_start(h);
	harness_pump(h, OK "; echo retire >&3; sleep 60", 1);
	harness_wait_log(h, "did not leave");
	harness_wait_room(h, 1);
	assert_int_equal(h->n_broken, 0);
	harness_done(h);
}

/* --- nonsense --------------------------------------------------------------------------------- */

static void run_nonsense(const char *how, bool replaced)
{
	struct harness *h = worker(2);

	harness_start(h);
	harness_pump(h, OK, 1);
	harness_offer(h, how);
	harness_offer(h, OK);
	harness_wait_all(h);
	if (replaced) {
		assert_outcome(&h->handed[1], VERDICT_RETRY, FAILURE_NONE, false);
		assert_outcome(&h->handed[2], VERDICT_RETRY, FAILURE_NONE, false);
		harness_wait_room(h, 2);
		assert_true(pool_counters(h->pool)->protocol_errors > 10);
	} else {
		assert_outcome(&h->handed[1], VERDICT_OK, FAILURE_NONE, false);
		assert_int_equal(pool_counters(h->pool)->protocol_errors, 10);
	}
	assert_int_equal(harness_log_count(h, "\"event\":\"protocol_error\""), 1);
	harness_done(h);
}

static void test_nonsense(void **state)
{
	(void)state;
	run_nonsense("for i in 1 2 3 4 5 6 7 8 9 10; do echo hello >&3; done; " OK, false);
	run_nonsense("for i in 1 2 3 4 5 6 7 8 9 10 11; do echo hello >&3; done; sleep 60", true);
	run_nonsense("yes >&3", true);
	run_nonsense("for i in 1 2 3 4 5 6 7 8 9 10 11; do echo ok 999 >&3; done; sleep 60", true);
	run_nonsense("for i in 1 2 3 4 5 6 7 8 9 10 11; do echo working 999 >&3; done; sleep 60",
	    true);
	run_nonsense("for i in 1 2 3 4 5 6 7 8 9 10; do head -c 70000 /dev/zero | tr '\\0' x >&3; "
	             "echo >&3; done; " OK,
	    false);
	run_nonsense(
	    "for i in 1 2 3 4 5 6 7 8 9 10 11; do head -c 70000 /dev/zero | tr '\\0' x >&3; "
	    "echo >&3; done; sleep 60",
	    true);
}

static void test_unproven_nonsense_is_broken(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_start(h);
	harness_pump(h, "yes >&3", 1);
	assert_outcome(&h->handed[0], VERDICT_RETRY, FAILURE_NONE, false);
	assert_int_equal(h->n_broken, 1);
	harness_done(h);
}

static void test_flood_does_not_stall_others(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	h->settings.concurrency = 2;
	harness_start(h);
	harness_offer(h, "yes 123456789012345678901234567890 | head -n 500000; " OK);
	harness_pump(h, OK, 200);
	harness_wait_all(h);
	assert_true(pool_counters(h->pool)->output_lines_dropped > 400000);
	harness_wait_log(h, "lines of output dropped");
	harness_done(h);
}

/* --- restarts --------------------------------------------------------------------------------- */

static void test_restart_backs_off(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_script(h, "exit 1");
	h->settings.ready = true;
	harness_start(h);
	while (pool_counters(h->pool)->workers_ended < 4)
		harness_turn(h, 5);
	assert_non_null(strstr(harness_log(h), "\"delay_ms\":100}"));
	assert_non_null(strstr(harness_log(h), "\"delay_ms\":200}"));
	assert_non_null(strstr(harness_log(h), "\"delay_ms\":400}"));
	assert_int_equal(h->n_broken, pool_counters(h->pool)->workers_ended);
	assert_string_equal(h->broken_detail, "exit status 1");
	harness_done(h);
}

static void test_command_that_ends_at_once_does_not_spin(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_script(h, "exit 0");
	h->settings.ready = true;
	harness_start(h);
	harness_turn(h, 500);
	assert_in_range(pool_counters(h->pool)->workers_started, 2, 4);
	harness_done(h);
}

static void test_worker_that_is_never_ready(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	h->settings.ready = true;
	h->settings.start_timeout_ms = 100;
	harness_start(h);
	harness_wait_log(h, "did not say ready");
	assert_int_equal(h->n_broken, 1);
	assert_int_equal(pool_room(h->pool), 0);
	harness_done(h);
}

static void test_command_that_cannot_be_started(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	free(h->settings.program);
	h->settings.program = xstrdup("/no/such/program");
	h->settings.ready = true;
	harness_start(h);
	harness_wait_log(h, "cannot be started: No such file");
	harness_turn(h, 150);
	assert_true(h->n_broken >= 2);
	assert_string_equal(h->broken_detail, "cannot be started: No such file or directory");
	assert_int_equal(pool_processes(h->pool), 0);
	harness_done(h);
}

static void test_broken_with_nothing_in_hand(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_script(h, "echo broken no licence >&3; exit 78");
	h->settings.ready = true;
	harness_start(h);
	harness_wait_log(h, "worker_ended");
	assert_int_equal(h->n_broken, 1);
	assert_string_equal(h->broken_detail, "no licence");
	harness_done(h);
}

/* Another thread of it may be at work on any of them. */
static void test_what_is_done_side_by_side_is_broken_when_the_process_is_gone(void **state)
{
	struct harness *h = worker(3);

	(void)state;
	h->settings.parallel = true;
	harness_start(h);
	harness_offer(h, "IFS= read -r x; IFS= read -r x; echo broken no db >&3; echo said; "
	                 "sleep 0.3; echo ok 2 >&3; exit 1");
	harness_offer(h, OK);
	harness_offer(h, OK);
	harness_wait_log(h, "said");
	harness_turn(h, 100);
	assert_int_equal(h->n_verdicts, 0);
	harness_wait_all(h);
	assert_int_equal(harness_log_count(h, "worker_ended"), 1);
	assert_outcome(&h->handed[0], VERDICT_BROKEN, FAILURE_BROKEN, false);
	assert_outcome(&h->handed[1], VERDICT_OK, FAILURE_NONE, false);
	assert_outcome(&h->handed[2], VERDICT_BROKEN, FAILURE_BROKEN, false);
	assert_string_equal(h->handed[2].detail, "no db");
	assert_int_equal(h->n_broken, 0);
	harness_done(h);
}

static void test_broken_though_all_it_held_was_done(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	h->settings.parallel = true;
	harness_start(h);
	harness_pump(h, "echo broken no db >&3; " OK "; exit 0", 1);
	assert_outcome(&h->handed[0], VERDICT_OK, FAILURE_NONE, false);
	harness_wait_log(h, "worker_ended");
	assert_int_equal(h->n_broken, 1);
	assert_string_equal(h->broken_detail, "no db");
	harness_done(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_texts_of_deaths),
		cmocka_unit_test(test_unread_entries_are_not_charged),
		cmocka_unit_test(test_verdicts_before_the_end_count),
		cmocka_unit_test(test_unended_line_does_not_count),
		cmocka_unit_test(test_closed_pipes_are_no_end),
		cmocka_unit_test(test_lost_input_takes_no_more_entries),
		cmocka_unit_test(test_background_process_of_a_dead_worker),
		cmocka_unit_test(test_suspects_are_run_alone),
		cmocka_unit_test(test_suspect_is_charged_by_an_unproven_worker),
		cmocka_unit_test(test_suspect_needs_an_idle_worker),
		cmocka_unit_test(test_timeout_charges_the_oldest),
		cmocka_unit_test(test_verdicts_between_sigterm_and_death),
		cmocka_unit_test(test_all_that_time_out_together_are_charged),
		cmocka_unit_test(test_stalled_loop_charges_nobody),
		cmocka_unit_test(test_worker_that_does_not_leave),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_unproven_nonsense_is_broken),
		cmocka_unit_test(test_flood_does_not_stall_others),
		cmocka_unit_test(test_restart_backs_off),
		cmocka_unit_test(test_command_that_ends_at_once_does_not_spin),
		cmocka_unit_test(test_worker_that_is_never_ready),
		cmocka_unit_test(test_command_that_cannot_be_started),
		cmocka_unit_test(test_broken_with_nothing_in_hand),
		cmocka_unit_test(test_what_is_done_side_by_side_is_broken_when_the_process_is_gone),
		cmocka_unit_test(test_broken_though_all_it_held_was_done),
	};

	return cmocka_run_group_tests_name("worker mode, failures", tests, NULL, NULL);
}
