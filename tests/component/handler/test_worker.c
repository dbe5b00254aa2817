/* SPDX-License-Identifier: MIT */
/* Worker mode: what a well-behaved process says and gets. */
#include "harness.h"

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

static void test_one_after_the_other(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_start(h);
	harness_pump(h, OK, 500);
	for (unsigned i = 0; i < 500; i++)
		assert_outcome(&h->handed[i], VERDICT_OK, FAILURE_NONE, false);
	assert_int_equal(pool_counters(h->pool)->workers_started, 1);
	assert_int_equal(pool_counters(h->pool)->protocol_errors, 0);
	harness_done(h);
}

static void test_tag_may_be_left_out(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_start(h);
	harness_pump(h, "echo ok >&3", 20);
	harness_pump(h, "echo dead too late >&3", 1);
	assert_outcome(&h->handed[20], VERDICT_DEAD, FAILURE_RETRY, true);
	assert_string_equal(h->handed[20].detail, "too late");
	assert_int_equal(pool_counters(h->pool)->protocol_errors, 0);
	harness_done(h);
}

static void test_verbs(void **state)
{
	struct harness *h = worker(2);
	struct handed *e;

	(void)state;
	harness_start(h);
	harness_pump(h, "echo retry $tag delay=30s not yet >&3", 1);
	harness_pump(h, "echo dead $tag bad >&3", 1);
	harness_pump(h, "echo drop $tag old >&3", 1);
	harness_pump(h, "echo release $tag >&3", 1);
	e = h->handed;
	assert_outcome(&e[0], VERDICT_RETRY, FAILURE_RETRY, true);
	assert_true(e[0].outcome.has_delay && e[0].outcome.delay_ms == 30000);
	assert_string_equal(e[0].detail, "not yet");
	assert_outcome(&e[1], VERDICT_DEAD, FAILURE_RETRY, true);
	assert_string_equal(e[1].detail, "bad");
	assert_outcome(&e[2], VERDICT_DROP, FAILURE_NONE, false);
	assert_outcome(&e[3], VERDICT_RELEASE, FAILURE_NONE, false);
	assert_int_equal(e[3].outcome.exit_status, -1);
	assert_true(e[3].outcome.pid > 0);
	harness_done(h);
}

static void test_any_order_and_several_tags(void **state)
{
	struct harness *h = worker(5);
	struct handed *e[5];

	(void)state;
	harness_start(h);
	for (int i = 0; i < 4; i++)
		e[i] = harness_offer(h, "all=$tag.$all");
	e[4] = harness_offer(h, "echo ok $tag >&3; echo ok 4 2 >&3; echo ok 1 3 >&3");
	assert_int_equal(pool_room(h->pool), 0);
	harness_wait_all(h);
	assert_int_equal(e[4]->order, 1);
	assert_int_equal(e[3]->order, 2);
	assert_int_equal(e[1]->order, 3);
	assert_int_equal(e[0]->order, 4);
	assert_int_equal(e[2]->order, 5);
	assert_int_equal(pool_room(h->pool), 5);
	harness_done(h);
}

static void test_first_verdict_counts(void **state)
{
	struct harness *h = worker(2);

	(void)state;
	harness_start(h);
	harness_pump(h, "echo ok $tag >&3; echo dead $tag >&3", 3);
	harness_turn(h, 50);
	assert_outcome(&h->handed[2], VERDICT_OK, FAILURE_NONE, false);
	assert_int_equal(pool_counters(h->pool)->protocol_errors, 3);
	assert_int_equal(harness_log_count(h, "\"event\":\"protocol_error\""), 1);
	harness_done(h);
}

/* --- more ------------------------------------------------------------------------------------- */

static void test_more_marks_all_but_the_last(void **state)
{
	struct harness *h = worker(8);

	(void)state;
	harness_script(h, "while IFS= read -r entry; do "
	                  "tag=${entry#*:}; tag=${tag%%,*}; more=${entry#*more?:}; "
	                  "tags=\"$tags $tag\"; echo more=${more%%,*}; "
	                  "case $more in false*) echo ok $tags >&3; tags=;; esac; done");
	harness_start(h);
	for (int n = 0; n < 5; n++)
		harness_offer(h, "x");
	harness_wait_all(h);
	assert_int_equal(harness_log_count(h, "more=true"), 4);
	assert_int_equal(harness_log_count(h, "more=false"), 1);
	for (int n = 0; n < 3; n++)
		harness_pump(h, "x", 100);
	harness_done(h);
}

static void test_more_is_false_with_a_window_of_one(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	h->settings.concurrency = 2;
	harness_start(h);
	harness_pump(h, "echo $entry; " OK, 10);
	assert_int_equal(harness_log_count(h, "\\\"more\\\":true"), 0);
	assert_int_equal(harness_log_count(h, "\\\"more\\\":false"), 10);
	harness_done(h);
}

static void test_pipe_that_is_full(void **state)
{
	struct harness *h = worker(64);
	char *big = xmalloc(100001);
	struct slice pairs[4] = { slice_of("how"), slice_of(OK), slice_of("v"), { big, 100000 } };

	(void)state;
	memset(big, 'x', 100000);
	harness_start(h);
	for (int n = 0; n < 40; n++)
		harness_offer_fields(h, &(struct fields){ .n_pairs = 2, .slices = pairs });
	harness_wait_all(h);
	free(big);
	harness_done(h);
}

static void test_feed_has_a_bound(void **state)
{
	struct harness *h = worker(100);
	char *big = xmalloc(1000000);
	struct slice pairs[4] = { slice_of("how"), slice_of(OK), slice_of("v"), { big, 1000000 } };
	unsigned n = 0;

	(void)state;
	memset(big, 'x', 1000000);
	harness_script(h,
	    "read -r go; sleep 0.2; echo ok 1 >&3; "
	    "while IFS= read -r entry; do tag=${entry#*:}; tag=${tag%%,*}; " OK "; done");
	harness_start(h);
	for (; pool_room(h->pool) && n < 100; n++)
		harness_offer_fields(h, &(struct fields){ .n_pairs = 2, .slices = pairs });
	assert_in_range(n, 4, 8);
	harness_wait_all(h);
	assert_true(h->n_rooms > 0);
	assert_int_equal(pool_room(h->pool), 100);
	free(big);
	harness_done(h);
}

static void test_entries_are_spread(void **state)
{
	struct harness *h = worker(4);

	(void)state;
	h->settings.concurrency = 3;
	harness_start(h);
	assert_int_equal(pool_round(h->pool), 12);
	for (int n = 0; n < 12; n++)
		harness_offer(h, OK);
	assert_int_equal(pool_room(h->pool), 0);
	harness_wait_all(h);
	for (int n = 0; n < 9; n++)
		assert_int_equal(h->handed[n].outcome.pid, h->handed[n + 3].outcome.pid);
	assert_int_not_equal(h->handed[0].outcome.pid, h->handed[1].outcome.pid);
	harness_pump(h, OK, 1000);
	harness_done(h);
}

/* --- ready, pause, retire --------------------------------------------------------------------- */

static void test_ready(void **state)
{
	struct harness *h = worker(2);
	char *script;

	(void)state;
	h->settings.ready = true;
	script = xasprintf("sleep 0.2; echo ready >&3; %s", h->settings.command.items[2]);
	harness_script(h, script);
	free(script);
	harness_start(h);
	harness_turn(h, 50);
	assert_int_equal(pool_room(h->pool), 0);
	assert_int_equal(pool_workers_in(h->pool, WORKER_STARTING), 1);
	harness_wait_room(h, 2);
	assert_int_equal(h->n_rooms, 1);
	assert_int_equal(pool_workers_in(h->pool, WORKER_UP), 1);
	harness_pump(h, OK, 5);
	harness_done(h);
}

static void test_pause(void **state)
{
	struct harness *h = worker(2);
	struct handed *e;
	uint64_t began;

	(void)state;
	harness_start(h);
	h->n_rooms = 0;
	e = harness_offer(h, "echo pause 300ms >&3; " OK);
	harness_wait_verdict(h, e);
	assert_int_equal(pool_room(h->pool), 0);
	assert_false(pool_room_alone(h->pool));
	began = clock_mono_ms();
	harness_wait_room(h, 2);
	assert_in_range(clock_mono_ms() - began, 200, 5000);
	assert_int_equal(h->n_rooms, 1);
	harness_done(h);
}

static void test_retire(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_start(h);
	harness_pump(h, OK "; echo retire >&3", 10);
	assert_int_not_equal(h->handed[0].outcome.pid, h->handed[1].outcome.pid);
	assert_int_equal(h->n_broken, 0);
	assert_int_equal(harness_log_count(h, "\"level\":\"warning\""), 0);
	harness_done(h);
}

static void test_retiring_worker_finishes(void **state)
{
	struct harness *h = worker(4);

	(void)state;
	harness_start(h);
	harness_offer(h, "echo retire >&3; sleep 0.1; " OK);
	for (int n = 0; n < 3; n++)
		harness_offer(h, OK);
	harness_wait_all(h);
	for (int n = 0; n < 4; n++)
		assert_outcome(&h->handed[n], VERDICT_OK, FAILURE_NONE, false);
	harness_wait_room(h, 4);
	harness_pump(h, OK, 4);
	assert_int_not_equal(h->handed[0].outcome.pid, h->handed[4].outcome.pid);
	harness_done(h);
}

static void test_clean_end_is_replaced_at_once(void **state)
{
	struct harness *h = worker(1);
	uint64_t began = clock_mono_ms();

	(void)state;
	harness_start(h);
	harness_pump(h, OK "; exit 0", 1);
	while (pool_counters(h->pool)->workers_started < 2)
		harness_turn(h, 2);
	assert_in_range(clock_mono_ms() - began, 0, 5000);
	assert_int_equal(harness_log_count(h, "\"delay_ms\""), 0);
	harness_wait_room(h, 1);
	harness_pump(h, OK "; exit 0", 5);
	assert_int_equal(h->n_broken, 0);
	harness_done(h);
}

/* --- clocks ----------------------------------------------------------------------------------- */

static void test_working(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	h->settings.timeout_ms = 500;
	harness_start(h);
	harness_pump(h, "for i in 1 2 3 4 5; do sleep 0.2; echo working $tag >&3; done; " OK, 1);
	assert_outcome(&h->handed[0], VERDICT_OK, FAILURE_NONE, false);
	harness_pump(h, "for i in 1 2 3 4 5; do sleep 0.2; echo working >&3; done; " OK, 1);
	assert_outcome(&h->handed[1], VERDICT_OK, FAILURE_NONE, false);
	assert_int_equal(pool_counters(h->pool)->workers_started, 1);
	harness_done(h);
}

/* Each has its own time though all were handed over together. */
static void test_only_the_oldest_has_a_clock(void **state)
{
	struct harness *h = worker(5);

	(void)state;
	h->settings.timeout_ms = 500;
	harness_start(h);
	for (int n = 0; n < 5; n++)
		harness_offer(h, "sleep 0.25; " OK);
	harness_wait_all(h);
	for (int n = 0; n < 5; n++)
		assert_outcome(&h->handed[n], VERDICT_OK, FAILURE_NONE, false);
	harness_done(h);
}

static void test_parallel_clocks(void **state)
{
	struct harness *h = worker(5);
	struct handed *e[4];

	(void)state;
	h->settings.timeout_ms = 600;
	h->settings.parallel = true;
	harness_start(h);
	e[0] = harness_offer(h, "(for i in 1 2 3 4 5; do sleep 0.2; echo working 1 >&3; done; "
	                        "echo ok 1 >&3) &");
	e[1] = harness_offer(h, "(sleep 0.2; " OK ") &");
	e[2] = harness_offer(h, ":");
	harness_turn(h, 300);
	e[3] = harness_offer(h, ":");
	harness_wait_all(h);
	assert_outcome(e[1], VERDICT_OK, FAILURE_NONE, false);
	assert_outcome(e[2], VERDICT_RETRY, FAILURE_TIMEOUT, true);
	assert_outcome(e[3], VERDICT_RETRY, FAILURE_NONE, false);
	assert_outcome(e[0], VERDICT_RETRY, FAILURE_NONE, false);
	harness_done(h);
}

/* --- output ----------------------------------------------------------------------------------- */

static void test_output_belongs_to_the_one_entry(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	harness_start(h);
	harness_pump(h, "echo print-$tag; echo error-$tag >&2; " OK, 50);
	for (int n = 1; n <= 50; n++) {
		char out[160], err[32];

		snprintf(out, sizeof(out),
		    "\"print-%d\",\"instance\":\"test\",\"consumer\":\"tested\",\"stream\":\"s\","
		    "\"group\":\"g\",\"entry_id\":\"1717200000000-%d\"",
		    n, n);
		assert_non_null(strstr(harness_log(h), out));
		snprintf(err, sizeof(err), "error-%d\n", n);
		assert_string_equal(h->handed[n - 1].stderr_tail, err);
	}
	harness_done(h);
}

static void test_verdicts_on_stdout(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	h->settings.verdicts = VERDICTS_STDOUT;
	harness_start(h);
	harness_pump(h, "echo hello; echo ok $tag", 5);
	assert_int_equal(harness_log_count(h, "\"message\":\"hello\""), 5);
	assert_int_equal(harness_log_count(h, "\"event\":\"output\""), 5);
	assert_int_equal(pool_counters(h->pool)->protocol_errors, 0);
	harness_done(h);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void test_drain(void **state)
{
	struct harness *h = worker(3);

	(void)state;
	h->settings.concurrency = 3;
	harness_start(h);
	for (int n = 0; n < 9; n++)
		harness_offer(h, "sleep 0.1; " OK);
	pool_drain(h->pool);
	assert_int_equal(pool_room(h->pool), 0);
	harness_wait_all(h);
	for (int n = 0; n < 9; n++)
		assert_outcome(&h->handed[n], VERDICT_OK, FAILURE_NONE, false);
	harness_done(h);
}

static void test_kill(void **state)
{
	struct harness *h = worker(2);

	(void)state;
	h->settings.kill_grace_ms = 200;
	harness_start(h);
	harness_pump(h, OK, 2);
	harness_offer(h, "trap '' TERM; echo trapped; sleep 60; sleep 60");
	harness_offer(h, OK);
	harness_wait_log(h, "trapped");
	pool_drain(h->pool);
	pool_kill(h->pool);
	harness_wait_all(h);
	assert_outcome(&h->handed[2], VERDICT_RELEASE, FAILURE_NONE, false);
	assert_outcome(&h->handed[3], VERDICT_RELEASE, FAILURE_NONE, false);
	assert_int_equal(h->n_broken, 0);
	harness_done(h);
}

static void test_drain_before_the_start(void **state)
{
	struct harness *h = worker(1);

	(void)state;
	h->settings.ready = true;
	harness_start(h);
	harness_done(h);
}

static void test_free_in_the_middle(void **state)
{
	struct harness *h = worker(4);

	(void)state;
	h->settings.concurrency = 2;
	harness_start(h);
	for (int n = 0; n < 8; n++)
		harness_offer(h, "sleep 60");
	h->no_verdicts = true;
	harness_done(h);
}

static void test_many_workers(void **state)
{
	struct harness *h = worker(2);

	(void)state;
	h->settings.concurrency = 60;
	harness_start(h);
	harness_pump(h, OK, 3000);
	assert_int_equal(pool_counters(h->pool)->workers_started, 60);
	harness_done(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_after_the_other),
		cmocka_unit_test(test_tag_may_be_left_out),
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_any_order_and_several_tags),
		cmocka_unit_test(test_first_verdict_counts),
		cmocka_unit_test(test_more_marks_all_but_the_last),
		cmocka_unit_test(test_more_is_false_with_a_window_of_one),
		cmocka_unit_test(test_pipe_that_is_full),
		cmocka_unit_test(test_feed_has_a_bound),
		cmocka_unit_test(test_entries_are_spread),
		cmocka_unit_test(test_ready),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_retire),
		cmocka_unit_test(test_retiring_worker_finishes),
		cmocka_unit_test(test_clean_end_is_replaced_at_once),
		cmocka_unit_test(test_working),
		cmocka_unit_test(test_only_the_oldest_has_a_clock),
		cmocka_unit_test(test_parallel_clocks),
		cmocka_unit_test(test_output_belongs_to_the_one_entry),
		cmocka_unit_test(test_verdicts_on_stdout),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_drain_before_the_start),
		cmocka_unit_test(test_free_in_the_middle),
		cmocka_unit_test(test_many_workers),
	};

	return cmocka_run_group_tests_name("worker mode", tests, NULL, NULL);
}
