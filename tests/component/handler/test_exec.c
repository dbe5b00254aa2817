/* SPDX-License-Identifier: MIT */
/* Exec mode with real processes: every end a process can come to, and what it is given. */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

/* One run in a pool of its own with the settings of before. */
static struct handed *run(struct harness *h, const char *how)
{
	struct handed *e;

	if (!h->pool)
		harness_start(h);
	e = harness_offer(h, how);
	harness_wait_verdict(h, e);
	return e;
}

static void test_every_exit_status(void **state)
{
	struct harness *h = harness_new();
	struct handed *first = NULL;
	char how[32];

	(void)state;
	h->settings.concurrency = 8;
	harness_start(h);
	for (int status = 0; status < 256; status++) {
		struct handed *e;

		snprintf(how, sizeof(how), "exit %d", status);
		harness_wait_room(h, 1);
		e = harness_offer(h, how);
		first = first ? first : e;
	}
	harness_wait_all(h);
	for (int status = 0; status < 256; status++) {
		const struct handed *e = &first[status];

		assert_int_equal(e->outcome.exit_status, status);
		assert_true(e->outcome.pid > 0);
		if (status == 0)
			assert_outcome(e, VERDICT_OK, FAILURE_NONE, false);
		else if (status == 65)
			assert_outcome(e, VERDICT_DEAD, FAILURE_EXIT, true);
		else if (status == 64 || status == 78 || status == 126 || status == 127)
			assert_outcome(e, VERDICT_BROKEN, FAILURE_BROKEN, false);
		else
			assert_outcome(e, VERDICT_RETRY, FAILURE_EXIT, true);
	}
	assert_string_equal(first[3].detail, "exit status 3");
	harness_done(h);
}

static const struct {
	const char *how;
	enum verdict verdict;
	enum failure failure;
	bool charged;
	const char *detail;
} ends[] = {
	{ "kill -SEGV $$", VERDICT_RETRY, FAILURE_SIGNAL, true, "SIGSEGV" },
	{ "kill -KILL $$", VERDICT_RETRY, FAILURE_SIGNAL, true, "SIGKILL" },
	{ "kill -TERM $$", VERDICT_RETRY, FAILURE_SIGNAL, true, "SIGTERM" },
	{ "/no/such/program", VERDICT_BROKEN, FAILURE_BROKEN, false, "exit status 127" },
	{ "echo ok >&3", VERDICT_OK, FAILURE_NONE, false, "" },
	{ "echo ok 17 >&3", VERDICT_OK, FAILURE_NONE, false, "" },
	{ "echo ok >&3; exit 1", VERDICT_RETRY, FAILURE_EXIT, true, "exit status 1" },
	{ "echo ok >&3; kill -9 $$", VERDICT_RETRY, FAILURE_SIGNAL, true, "SIGKILL" },
	{ "echo drop too old >&3", VERDICT_DROP, FAILURE_NONE, false, "too old" },
	{ "echo drop >&3; exit 65", VERDICT_DEAD, FAILURE_EXIT, true, "exit status 65" },
	{ "echo dead 404 gone >&3", VERDICT_DEAD, FAILURE_RETRY, true, "404 gone" },
	{ "echo dead >&3; kill -9 $$", VERDICT_DEAD, FAILURE_RETRY, true, "" },
	{ "echo 'dead \"a\\u00e9b\"' >&3", VERDICT_DEAD, FAILURE_RETRY, true,
	    "a\xc3\xa9"
	    "b" },
	{ "echo retry later >&3", VERDICT_RETRY, FAILURE_RETRY, true, "later" },
	{ "echo release >&3; exit 1", VERDICT_RELEASE, FAILURE_NONE, false, "" },
	{ "echo broken no db >&3; exit 1", VERDICT_BROKEN, FAILURE_BROKEN, false, "no db" },
	{ "echo retry >&3; echo ok >&3", VERDICT_RETRY, FAILURE_RETRY, true, "" },
	{ "echo ok >&3; echo dead >&3", VERDICT_OK, FAILURE_NONE, false, "" },
	{ "echo ready >&3; echo pause 1h >&3; echo retire >&3", VERDICT_OK, FAILURE_NONE, false,
	    "" },
	{ "printf dead >&3", VERDICT_DEAD, FAILURE_RETRY, true, "" },
	{ "exec <&- >&- 2>&- 3>&-; sleep 0.3; exit 3", VERDICT_RETRY, FAILURE_EXIT, true,
	    "exit status 3" },
};

static void test_ends(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct handed *e = run(h, ends[i].how);

		assert_outcome(e, ends[i].verdict, ends[i].failure, ends[i].charged);
		assert_string_equal(e->detail, ends[i].detail);
	}
	assert_int_equal(pool_counters(h->pool)->protocol_errors, 0);
	harness_done(h);
}

static void test_retry_with_delay(void **state)
{
	struct harness *h = harness_new();
	struct handed *e = run(h, "echo 'retry delay=90s \"too early\"' >&3; exit 7");

	(void)state;
	assert_outcome(e, VERDICT_RETRY, FAILURE_RETRY, true);
	assert_true(e->outcome.has_delay);
	assert_int_equal(e->outcome.delay_ms, 90000);
	assert_int_equal(e->outcome.exit_status, 7);
	assert_string_equal(e->detail, "too early");
	harness_done(h);
}

static void test_exit_codes_of_the_user(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	h->settings.exit_codes.meaning[0] = EXIT_MEANS_RETRY;
	h->settings.exit_codes.meaning[3] = EXIT_MEANS_DROP;
	h->settings.exit_codes.meaning[4] = EXIT_MEANS_OK;
	assert_outcome(run(h, "exit 0"), VERDICT_RETRY, FAILURE_EXIT, true);
	assert_outcome(run(h, "echo ok >&3"), VERDICT_OK, FAILURE_NONE, false);
	assert_outcome(run(h, "exit 3"), VERDICT_DROP, FAILURE_NONE, false);
	assert_outcome(run(h, "exit 4"), VERDICT_OK, FAILURE_NONE, false);
	harness_done(h);
}

static void test_garbage_is_counted(void **state)
{
	struct harness *h = harness_new();
	struct handed *e = run(h, "for i in 1 2 3; do echo hello >&3; done; echo >&3");

	(void)state;
	assert_outcome(e, VERDICT_OK, FAILURE_NONE, false);
	assert_int_equal(pool_counters(h->pool)->protocol_errors, 4);
	assert_int_equal(harness_log_count(h, "\"event\":\"protocol_error\""), 1);
	harness_done(h);
}

static void test_timeout(void **state)
{
	struct harness *h = harness_new();
	uint64_t began = clock_mono_ms();
	struct handed *e;

	(void)state;
	h->settings.timeout_ms = 200;
	e = run(h, "sleep 60");
	assert_outcome(e, VERDICT_RETRY, FAILURE_TIMEOUT, true);
	assert_string_equal(e->detail, "timed out after 200 ms");
	assert_int_equal(e->outcome.signal, SIGTERM);
	assert_in_range(clock_mono_ms() - began, 200, 5000);
	harness_done(h);
}

static void test_timeout_with_sigterm_ignored(void **state)
{
	struct harness *h = harness_new();
	struct handed *e;

	(void)state;
	h->settings.timeout_ms = 200;
	h->settings.kill_grace_ms = 200;
	e = run(h, "trap '' TERM; sleep 60 & sleep 60; sleep 60");
	assert_outcome(e, VERDICT_RETRY, FAILURE_TIMEOUT, true);
	assert_int_equal(e->outcome.signal, SIGKILL);
	harness_done(h);
}

static void test_timeout_is_terminal(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	h->settings.timeout_ms = 200;
	assert_outcome(run(h, "trap 'echo ok >&3; exit 0' TERM; sleep 60 & wait"), VERDICT_RETRY,
	    FAILURE_TIMEOUT, true);
	assert_outcome(run(h, "trap 'echo dead >&3; exit 0' TERM; sleep 60 & wait"), VERDICT_RETRY,
	    FAILURE_TIMEOUT, true);
	assert_outcome(run(h, "echo dead >&3; sleep 60"), VERDICT_DEAD, FAILURE_RETRY, true);
	assert_outcome(run(h, "echo ok >&3; sleep 60"), VERDICT_RETRY, FAILURE_TIMEOUT, true);
	harness_done(h);
}

static void test_stopped_process_is_ended(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	h->settings.timeout_ms = 200;
	assert_outcome(run(h, "kill -STOP $$"), VERDICT_RETRY, FAILURE_TIMEOUT, true);
	harness_done(h);
}

static void test_working_starts_the_timeout_anew(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	h->settings.timeout_ms = 500;
	assert_outcome(run(h, "for i in 1 2 3 4 5; do sleep 0.2; echo working >&3; done"),
	    VERDICT_OK, FAILURE_NONE, false);
	harness_done(h);
}

static void test_background_process_does_not_hold_the_entry(void **state)
{
	struct harness *h = harness_new();
	uint64_t began = clock_mono_ms();
	struct handed *e = run(h, "sleep 3 & exit 0");

	(void)state;
	assert_outcome(e, VERDICT_OK, FAILURE_NONE, false);
	assert_in_range(clock_mono_ms() - began, 200, 2500);
	assert_int_equal(harness_log_count(h, "background processes"), 1);
	harness_done(h);
}

static void test_last_words_of_a_background_process(void **state)
{
	struct harness *h = harness_new();
	struct handed *e = run(h, "(sleep 0.05; echo late; echo dead >&3) & exit 0");

	(void)state;
	assert_outcome(e, VERDICT_DEAD, FAILURE_RETRY, true);
	assert_int_equal(harness_log_count(h, "\"message\":\"late\""), 1);
	harness_done(h);
}

/* --- input ------------------------------------------------------------------------------------ */

static void test_input_of_any_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 4096, 65535, 65536, 65537, 300000, 5000000 };
	struct harness *h = harness_new();

	(void)state;
	harness_script(h, "wc -c; ls -l /proc/self/fd/0 >&2");
	harness_start(h);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		char *value = xmalloc(sizes[i] + 1), expected[48];

		memset(value, 'x', sizes[i]);
		value[sizes[i]] = '\0';
		run(h, value);
		snprintf(expected, sizeof(expected), "\"message\":\"%zu\"", sizes[i]);
		assert_int_equal(harness_log_count(h, expected), 1);
		free(value);
	}
	harness_done(h);
}

static void test_json_line(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	h->settings.stdin_from.kind = STDIN_JSON;
	harness_script(h, "cat");
	run(h, "x");
	assert_non_null(strstr(harness_log(h),
	    "\"message\":\"{\\\"tag\\\":1,\\\"stream\\\":\\\"s\\\",\\\"group\\\":\\\"g\\\","
	    "\\\"consumer\\\":\\\"c\\\",\\\"id\\\":\\\"1717200000000-1\\\",\\\"attempt\\\":1,"
	    "\\\"max_attempts\\\":8,\\\"deadline_ms\\\":"));
	assert_non_null(strstr(harness_log(h), ",\\\"more\\\":false,\\\"fields\\\":"
	                                       "{\\\"how\\\":\\\"x\\\"}}\""));
	harness_done(h);
}

static void test_no_input(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	h->settings.stdin_from.kind = STDIN_NONE;
	harness_script(h, "test $(wc -c) = 0");
	assert_outcome(run(h, "x"), VERDICT_OK, FAILURE_NONE, false);
	harness_done(h);
}

static void test_missing_field_is_end_of_file(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	free(h->settings.stdin_from.field);
	h->settings.stdin_from.field = xstrdup("other");
	harness_script(h, "test $(wc -c) = 0");
	assert_outcome(run(h, "x"), VERDICT_OK, FAILURE_NONE, false);
	harness_done(h);
}

/* --- what a process finds --------------------------------------------------------------------- */

static void test_process(void **state)
{
	struct harness *h = harness_new();
	struct handed *e;

	(void)state;
	e = run(h, "echo $(ls /proc/self/fd); grep -E '^Sig(Blk|Ign)' /proc/self/status; "
	           "test $(cut -d' ' -f5 /proc/$$/stat) = $$ && echo leads; pwd; "
	           "for fd in 0 1 2 3; do grep flags /proc/$$/fdinfo/$fd; done");
	assert_outcome(e, VERDICT_OK, FAILURE_NONE, false);
	/* The 4 is ls reading the directory. */
	assert_int_equal(harness_log_count(h, "\"message\":\"0 1 2 3 4\""), 1);
	assert_int_equal(harness_log_count(h, "\\t0000000000000000\""), 2);
	assert_int_equal(harness_log_count(h, "\"message\":\"leads\""), 1);
	assert_int_equal(harness_log_count(h, "\"message\":\"/\""), 1);
	/* O_NONBLOCK is 04000. */
	assert_int_equal(harness_log_count(h, "\"message\":\"flags:"), 4);
	assert_int_equal(harness_log_count(h, "\"message\":\"flags:\\t04"), 0);
	harness_done(h);
}

static void test_low_descriptors_are_free(void **state)
{
	struct harness *h = harness_new();
	int saved = fcntl(0, F_DUPFD_CLOEXEC, 100);

	(void)state;
	harness_start(h);
	close(0);
	assert_outcome(run(h, "test $(ls /proc/self/fd | wc -l) = 5 && echo ok >&3"), VERDICT_OK,
	    FAILURE_NONE, false);
	dup2(saved, 0);
	close(saved);
	harness_done(h);
}

static void test_environment(void **state)
{
	struct harness *h = harness_new();
	char *names[] = { (char *)(uintptr_t) "how" };

	(void)state;
	h->settings.environment_fields = (struct string_list){ names, 1 };
	assert_outcome(run(h, "test \"$SLUICE_STREAM $SLUICE_GROUP $SLUICE_CONSUMER $SLUICE_ID\" = "
	                      "'s g c 1717200000000-1' && "
	                      "test $SLUICE_ATTEMPT.$SLUICE_MAX_ATTEMPTS.$SLUICE_VERDICT_FD."
	                      "$SLUICE_PROTOCOL = 1.8.3.1 && test $SLUICE_DEADLINE_MS -gt 0 && "
	                      "test \"$SLUICE_FIELD_HOW\" = \"$how\""),
	    VERDICT_OK, FAILURE_NONE, false);
	h->settings.environment_fields = (struct string_list){ NULL, 0 };
	harness_done(h);
}

/* --- output ----------------------------------------------------------------------------------- */

static void test_output_carries_the_entry(void **state)
{
	struct harness *h = harness_new();
	struct handed *e = run(h, "echo out; echo err >&2; printf unended; exit 1");
	char expected[160];

	(void)state;
	assert_string_equal(e->stderr_tail, "err\n");
	snprintf(expected, sizeof(expected),
	    "\"message\":\"out\",\"instance\":\"test\",\"consumer\":\"tested\",\"stream\":\"s\","
	    "\"group\":\"g\",\"entry_id\":\"1717200000000-1\",\"attempt\":1,\"handler_pid\":%d}",
	    (int)e->outcome.pid);
	assert_non_null(strstr(harness_log(h), expected));
	assert_int_equal(harness_log_count(h, "\"level\":\"warning\",\"event\":\"output\""), 1);
	assert_int_equal(harness_log_count(h, "\"message\":\"unended\""), 1);
	harness_done(h);
}

static void test_flood(void **state)
{
	struct harness *h = harness_new();
	struct handed *e = run(h, "yes 12345678 | head -n 300000; seq 100000 >&2");
	const struct pool_counters *counters = pool_counters(h->pool);

	(void)state;
	assert_outcome(e, VERDICT_OK, FAILURE_NONE, false);
	assert_in_range(counters->output_lines_dropped, 300000, 400000);
	assert_int_equal(harness_log_count(h, "\"event\":\"output\"") +
	                     counters->output_lines_dropped -
	                     harness_log_count(h, "lines of output dropped"),
	    400000);
	assert_true(harness_log_count(h, "lines of output dropped") > 0);
	assert_int_equal(strlen(e->stderr_tail), 4096);
	assert_string_equal(e->stderr_tail + 4096 - 14, "\n99999\n100000\n");
	harness_done(h);
}

static void test_long_line_is_cut(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	run(h, "head -c 100000 /dev/zero | tr '\\0' x; echo; echo after");
	assert_int_equal(harness_log_count(h, "\"event\":\"output\""), 2);
	assert_in_range(strlen(harness_log(h)), 8192, 9500);
	assert_int_equal(harness_log_count(h, "\"message\":\"after\""), 1);
	harness_done(h);
}

static void test_verdicts_on_stdout(void **state)
{
	struct harness *h = harness_new();
	struct handed *e;

	(void)state;
	h->settings.verdicts = VERDICTS_STDOUT;
	e = run(h,
	    "echo hello; echo drop it; test ! -e /proc/$$/fd/3 && test $SLUICE_VERDICT_FD = 1");
	assert_outcome(e, VERDICT_DROP, FAILURE_NONE, false);
	assert_int_equal(harness_log_count(h, "\"event\":\"output\""), 1);
	assert_int_equal(pool_counters(h->pool)->protocol_errors, 0);
	harness_done(h);
}

/* --- starting and stopping -------------------------------------------------------------------- */

static void test_command_that_cannot_be_started(void **state)
{
	struct harness *h = harness_new();
	struct handed *e;

	(void)state;
	free(h->settings.program);
	h->settings.program = xstrdup("/no/such/program");
	e = run(h, "x");
	assert_outcome(e, VERDICT_BROKEN, FAILURE_BROKEN, false);
	assert_string_equal(e->detail, "cannot be started: No such file or directory");
	assert_int_equal(e->outcome.pid, 0);
	assert_int_equal(pool_room(h->pool), 1);
	harness_done(h);
}

/* A program that is open for writing is refused with ETXTBSY. */
static void test_start_that_fails_for_now(void **state)
{
	struct harness *h = harness_new();
	char path[] = "/tmp/handler-test-XXXXXX";
	int writer = mkostemp(path, O_CLOEXEC);
	struct handed *e;

	(void)state;
	assert_true(write(writer, "#!/bin/sh\n", 10) == 10);
	fchmod(writer, 0700);
	free(h->settings.program);
	h->settings.program = xstrdup(path);
	h->settings.concurrency = 2;
	e = run(h, "x");
	assert_outcome(e, VERDICT_RELEASE, FAILURE_NONE, false);
	assert_int_equal(pool_room(h->pool), 0);
	close(writer);
	harness_wait_room(h, 2);
	assert_int_equal(h->n_rooms, 1);
	assert_outcome(run(h, "x"), VERDICT_OK, FAILURE_NONE, false);
	unlink(path);
	harness_done(h);
}

static void test_concurrency(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	h->settings.concurrency = 8;
	harness_start(h);
	assert_int_equal(pool_round(h->pool), 8);
	harness_pump(h, "exit 0", 300);
	for (unsigned i = 0; i < 300; i++)
		assert_outcome(&h->handed[i], VERDICT_OK, FAILURE_NONE, false);
	assert_int_equal(pool_room(h->pool), 8);
	harness_done(h);
}

static void test_drain_waits_for_runs(void **state)
{
	struct harness *h = harness_new();
	struct handed *e;

	(void)state;
	harness_start(h);
	e = harness_offer(h, "sleep 0.3; exit 4");
	pool_drain(h->pool);
	assert_int_equal(pool_room(h->pool), 0);
	harness_turn(h, 20);
	assert_int_equal(h->n_drained, 0);
	harness_wait_verdict(h, e);
	assert_outcome(e, VERDICT_RETRY, FAILURE_EXIT, true);
	harness_done(h);
}

static void test_kill_releases(void **state)
{
	struct harness *h = harness_new();
	struct handed *e[4];

	(void)state;
	h->settings.concurrency = 4;
	h->settings.kill_grace_ms = 200;
	harness_start(h);
	e[0] = harness_offer(h, "sleep 60");
	e[1] = harness_offer(h, "trap '' TERM; echo trapped; sleep 60; sleep 60");
	e[2] = harness_offer(h, "trap 'echo dead >&3; exit 1' TERM; echo trapped; sleep 60 & wait");
	e[3] = harness_offer(h, "trap 'exit 0' TERM; echo trapped; sleep 60 & wait");
	while (harness_log_count(h, "trapped") < 3)
		harness_turn(h, 5);
	pool_drain(h->pool);
	pool_kill(h->pool);
	harness_wait_all(h);
	assert_outcome(e[0], VERDICT_RELEASE, FAILURE_NONE, false);
	assert_outcome(e[1], VERDICT_RELEASE, FAILURE_NONE, false);
	assert_outcome(e[2], VERDICT_DEAD, FAILURE_RETRY, true);
	assert_outcome(e[3], VERDICT_RELEASE, FAILURE_NONE, false);
	harness_done(h);
}

static void test_free_in_the_middle(void **state)
{
	struct harness *h = harness_new();

	(void)state;
	/* What is left in the background outlives the pool: as its reaper we see its end. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	h->settings.concurrency = 4;
	harness_start(h);
	harness_offer(h, "sleep 60");
	harness_offer(h, "trap '' TERM; sleep 60; sleep 60");
	harness_offer(h, "sleep 1 & exit 0");
	harness_turn(h, 50);
	h->no_verdicts = true;
	harness_done(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_exit_status),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_retry_with_delay),
		cmocka_unit_test(test_exit_codes_of_the_user),
		cmocka_unit_test(test_garbage_is_counted),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_timeout_with_sigterm_ignored),
		cmocka_unit_test(test_timeout_is_terminal),
		cmocka_unit_test(test_stopped_process_is_ended),
		cmocka_unit_test(test_working_starts_the_timeout_anew),
		cmocka_unit_test(test_background_process_does_not_hold_the_entry),
		cmocka_unit_test(test_last_words_of_a_background_process),
		cmocka_unit_test(test_input_of_any_size),
		cmocka_unit_test(test_json_line),
		cmocka_unit_test(test_no_input),
		cmocka_unit_test(test_missing_field_is_end_of_file),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_low_descriptors_are_free),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_output_carries_the_entry),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_long_line_is_cut),
		cmocka_unit_test(test_verdicts_on_stdout),
		cmocka_unit_test(test_command_that_cannot_be_started),
		cmocka_unit_test(test_start_that_fails_for_now),
		cmocka_unit_test(test_concurrency),
		cmocka_unit_test(test_drain_waits_for_runs),
		cmocka_unit_test(test_kill_releases),
		cmocka_unit_test(test_free_in_the_middle),
	};

	return cmocka_run_group_tests_name("exec mode", tests, NULL, NULL);
}
