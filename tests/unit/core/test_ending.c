/* SPDX-License-Identifier: MIT */
/* The exit table of exec mode in every row, and who is charged when a worker ends. */
#include "core/ending.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Wait statuses as waitpid() gives them. */
#define EXITED(status) ((status) << 8)
#define KILLED(signal) (signal)

static struct exit_codes codes;

static int set_up(void **state)
{
	(void)state;
	exit_codes_default(&codes);
	return 0;
}

static struct ending ending(int wait_status, enum kill_cause cause)
{
	return (struct ending){
		.pid = 42,
		.wait_status = wait_status,
		.cause = cause,
		.timeout_ms = 30000,
		.stderr_tail = slice_of("oops"),
	};
}

static void assert_is(struct outcome o, enum verdict verdict, enum failure failure, bool charged)
{
	assert_string_equal(verdict_word(o.verdict), verdict_word(verdict));
	assert_string_equal(failure_word(o.failure), failure_word(failure));
	assert_int_equal(o.charged, charged);
}

static void assert_detail(struct outcome o, const char *text)
{
	assert_int_equal(o.detail.len, strlen(text));
	assert_memory_equal(o.detail.data ? o.detail.data : "", text, strlen(text));
}

/* --- exec ------------------------------------------------------------------------------------- */

static void test_every_status(void **state)
{
	struct ending_text text;

	(void)state;
	for (int status = 0; status < 256; status++) {
		struct ending end = ending(EXITED(status), KILL_NONE);
		struct outcome o = ending_of_run(&end, &codes, NULL, &text);

		assert_int_equal(o.exit_status, status);
		assert_int_equal(o.signal, 0);
		assert_int_equal(o.pid, 42);
		assert_memory_equal(o.stderr_tail.data, "oops", 4);
		switch (codes.meaning[status]) {
		case EXIT_MEANS_OK:
			assert_is(o, VERDICT_OK, FAILURE_NONE, false);
			break;
		case EXIT_MEANS_DEAD:
			assert_is(o, VERDICT_DEAD, FAILURE_EXIT, true);
			break;
		case EXIT_MEANS_BROKEN:
			assert_is(o, VERDICT_BROKEN, FAILURE_BROKEN, false);
			break;
		default:
			assert_is(o, VERDICT_RETRY, FAILURE_EXIT, true);
		}
	}
}

static void test_meanings_of_the_user(void **state)
{
	struct exit_codes own = codes;
	struct ending end = ending(EXITED(3), KILL_NONE);
	struct ending_text text;

	(void)state;
	own.meaning[3] = EXIT_MEANS_DROP;
	assert_is(ending_of_run(&end, &own, NULL, &text), VERDICT_DROP, FAILURE_NONE, false);
	own.meaning[3] = EXIT_MEANS_OK;
	assert_is(ending_of_run(&end, &own, NULL, &text), VERDICT_OK, FAILURE_NONE, false);
	own.meaning[0] = EXIT_MEANS_DEAD;
	end = ending(EXITED(0), KILL_NONE);
	assert_is(ending_of_run(&end, &own, NULL, &text), VERDICT_DEAD, FAILURE_EXIT, true);
}

/* said: VERDICT_COUNT for nothing. */
static const struct {
	int wait_status;
	enum kill_cause cause;
	enum verdict said;
	enum verdict verdict;
	enum failure failure;
	bool charged;
	const char *detail;
} runs[] = {
	{ KILLED(SIGSEGV), KILL_NONE, VERDICT_COUNT, VERDICT_RETRY, FAILURE_SIGNAL, true,
	    "SIGSEGV" },
	{ KILLED(SIGTERM), KILL_NONE, VERDICT_OK, VERDICT_RETRY, FAILURE_SIGNAL, true, "SIGTERM" },
	{ EXITED(3), KILL_NONE, VERDICT_COUNT, VERDICT_RETRY, FAILURE_EXIT, true, "exit status 3" },
	{ EXITED(3), KILL_NONE, VERDICT_OK, VERDICT_RETRY, FAILURE_EXIT, true, "exit status 3" },
	{ EXITED(3), KILL_NONE, VERDICT_DROP, VERDICT_RETRY, FAILURE_EXIT, true, "exit status 3" },
	{ EXITED(3), KILL_NONE, VERDICT_DEAD, VERDICT_DEAD, FAILURE_RETRY, true, "said" },
	{ EXITED(78), KILL_NONE, VERDICT_RETRY, VERDICT_RETRY, FAILURE_RETRY, true, "said" },
	{ EXITED(3), KILL_NONE, VERDICT_RELEASE, VERDICT_RELEASE, FAILURE_NONE, false, "said" },
	{ KILLED(9), KILL_NONE, VERDICT_BROKEN, VERDICT_BROKEN, FAILURE_BROKEN, false, "said" },
	{ EXITED(0), KILL_NONE, VERDICT_OK, VERDICT_OK, FAILURE_NONE, false, "said" },
	{ EXITED(0), KILL_NONE, VERDICT_DROP, VERDICT_DROP, FAILURE_NONE, false, "said" },
	{ EXITED(0), KILL_NONE, VERDICT_DEAD, VERDICT_DEAD, FAILURE_RETRY, true, "said" },
	{ KILLED(SIGTERM), KILL_TIMEOUT, VERDICT_COUNT, VERDICT_RETRY, FAILURE_TIMEOUT, true,
	    "timed out after 30 s" },
	{ EXITED(0), KILL_TIMEOUT, VERDICT_COUNT, VERDICT_RETRY, FAILURE_TIMEOUT, true,
	    "timed out after 30 s" },
	{ EXITED(0), KILL_TIMEOUT, VERDICT_OK, VERDICT_RETRY, FAILURE_TIMEOUT, true,
	    "timed out after 30 s" },
	{ KILLED(SIGKILL), KILL_TIMEOUT, VERDICT_DEAD, VERDICT_DEAD, FAILURE_RETRY, true, "said" },
	{ KILLED(SIGTERM), KILL_DRAIN, VERDICT_COUNT, VERDICT_RELEASE, FAILURE_NONE, false,
	    "the drain ran out of time" },
	{ EXITED(0), KILL_DRAIN, VERDICT_COUNT, VERDICT_RELEASE, FAILURE_NONE, false,
	    "the drain ran out of time" },
	{ EXITED(0), KILL_DRAIN, VERDICT_OK, VERDICT_OK, FAILURE_NONE, false, "said" },
	{ EXITED(1), KILL_DRAIN, VERDICT_OK, VERDICT_RELEASE, FAILURE_NONE, false,
	    "the drain ran out of time" },
	{ KILLED(SIGTERM), KILL_DRAIN, VERDICT_RETRY, VERDICT_RETRY, FAILURE_RETRY, true, "said" },
};

static struct outcome said(enum verdict v)
{
	static const enum failure failures[VERDICT_COUNT] = {
		[VERDICT_RETRY] = FAILURE_RETRY,
		[VERDICT_DEAD] = FAILURE_RETRY,
		[VERDICT_BROKEN] = FAILURE_BROKEN,
	};

	return (struct outcome){
		.verdict = v,
		.failure = failures[v],
		.charged = failures[v] == FAILURE_RETRY,
		.exit_status = -1,
		.detail = slice_of("said"),
	};
}

static void test_runs(void **state)
{
	struct ending_text text;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		struct ending end = ending(runs[i].wait_status, runs[i].cause);
		bool silent = runs[i].said == VERDICT_COUNT;
		struct outcome word = said(silent ? VERDICT_OK : runs[i].said);
		struct outcome o = ending_of_run(&end, &codes, silent ? NULL : &word, &text);

		assert_is(o, runs[i].verdict, runs[i].failure, runs[i].charged);
		assert_detail(o, runs[i].detail);
		assert_int_equal(o.pid, 42);
		assert_int_equal(o.exit_status < 0, o.signal != 0);
	}
}

static void test_timeout_below_a_second(void **state)
{
	struct ending end = ending(KILLED(SIGTERM), KILL_TIMEOUT);
	struct ending_text text;

	(void)state;
	end.timeout_ms = 1500;
	assert_detail(ending_of_run(&end, &codes, NULL, &text), "timed out after 1500 ms");
}

/* --- workers ---------------------------------------------------------------------------------- */

enum who { CHARGED, BACK, SUSPECT, BROKEN, TIMED_OUT, RELEASED };

static const struct {
	int wait_status;
	enum kill_cause cause;
	bool proven, parallel, alone;
	uint32_t n_read;
	enum held_place place;
	enum who who;
} ends[] = {
	{ EXITED(1), KILL_NONE, true, false, false, 3, HELD_OLDEST, CHARGED },
	{ EXITED(1), KILL_NONE, true, false, false, 3, HELD_BEHIND, BACK },
	{ EXITED(1), KILL_NONE, true, false, false, 3, HELD_UNREAD, BACK },
	{ EXITED(0), KILL_NONE, true, false, false, 1, HELD_OLDEST, CHARGED },
	{ EXITED(0), KILL_NONE, true, false, false, 0, HELD_UNREAD, BACK },
	{ EXITED(65), KILL_NONE, true, false, false, 1, HELD_OLDEST, CHARGED },
	{ EXITED(78), KILL_NONE, true, false, false, 1, HELD_OLDEST, BROKEN },
	{ EXITED(78), KILL_NONE, true, false, false, 1, HELD_UNREAD, BROKEN },
	{ EXITED(127), KILL_NONE, true, true, true, 1, HELD_OLDEST, BROKEN },
	{ KILLED(9), KILL_NONE, true, false, false, 2, HELD_OLDEST, CHARGED },
	{ KILLED(9), KILL_NONE, false, false, false, 2, HELD_OLDEST, BROKEN },
	{ KILLED(9), KILL_NONE, false, false, false, 2, HELD_BEHIND, BROKEN },
	{ KILLED(9), KILL_NONE, false, false, false, 2, HELD_UNREAD, BROKEN },
	{ KILLED(9), KILL_NONE, true, true, false, 2, HELD_OLDEST, SUSPECT },
	{ KILLED(9), KILL_NONE, true, true, false, 2, HELD_BEHIND, SUSPECT },
	{ KILLED(9), KILL_NONE, true, true, false, 2, HELD_UNREAD, BACK },
	{ KILLED(9), KILL_NONE, true, true, false, 1, HELD_OLDEST, CHARGED },
	{ KILLED(9), KILL_NONE, false, true, false, 1, HELD_OLDEST, BROKEN },
	{ KILLED(9), KILL_NONE, false, true, true, 1, HELD_OLDEST, CHARGED },
	{ KILLED(9), KILL_NONE, true, true, true, 1, HELD_OLDEST, CHARGED },
	{ KILLED(9), KILL_NONE, true, true, true, 0, HELD_UNREAD, SUSPECT },
	{ KILLED(9), KILL_TIMEOUT, true, false, false, 2, HELD_TIMED_OUT, TIMED_OUT },
	{ KILLED(9), KILL_TIMEOUT, false, false, false, 2, HELD_TIMED_OUT, TIMED_OUT },
	{ KILLED(9), KILL_TIMEOUT, false, false, false, 2, HELD_BEHIND, BACK },
	{ EXITED(78), KILL_TIMEOUT, true, true, false, 2, HELD_OLDEST, BACK },
	{ EXITED(0), KILL_DRAIN, true, false, false, 1, HELD_OLDEST, RELEASED },
	{ KILLED(9), KILL_DRAIN, true, false, false, 1, HELD_TIMED_OUT, TIMED_OUT },
	{ KILLED(9), KILL_PROTOCOL, true, false, false, 2, HELD_OLDEST, BACK },
	{ KILLED(9), KILL_PROTOCOL, false, true, false, 2, HELD_OLDEST, BACK },
};

static void assert_who(struct outcome o, enum who who)
{
	switch (who) {
	case CHARGED:
		assert_is(o, VERDICT_RETRY, o.signal ? FAILURE_SIGNAL : FAILURE_EXIT, true);
		break;
	case BACK:
	case SUSPECT:
		assert_is(o, VERDICT_RETRY, FAILURE_NONE, false);
		assert_true(o.has_delay && o.delay_ms == 0);
		break;
	case BROKEN:
		assert_is(o, VERDICT_BROKEN, FAILURE_BROKEN, false);
		break;
	case TIMED_OUT:
		assert_is(o, VERDICT_RETRY, FAILURE_TIMEOUT, true);
		break;
	case RELEASED:
		assert_is(o, VERDICT_RELEASE, FAILURE_NONE, false);
		assert_detail(o, "the drain ran out of time");
		break;
	}
	assert_int_equal(o.suspect, who == SUSPECT);
}

static void test_workers(void **state)
{
	struct ending_text text;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct worker_end w = {
			.end = ending(ends[i].wait_status, ends[i].cause),
			.codes = &codes,
			.proven = ends[i].proven,
			.parallel = ends[i].parallel,
			.alone = ends[i].alone,
			.n_read = ends[i].n_read,
		};

		assert_who(ending_of_held(&w, ends[i].place, &text), ends[i].who);
	}
}

static const struct {
	int wait_status;
	enum kill_cause cause;
	bool proven, broken;
} events[] = {
	{ EXITED(1), KILL_NONE, true, false },
	{ EXITED(1), KILL_NONE, false, true },
	{ EXITED(78), KILL_NONE, true, true },
	{ KILLED(9), KILL_NONE, false, true },
	{ KILLED(9), KILL_TIMEOUT, false, false },
	{ KILLED(9), KILL_DRAIN, false, false },
	{ KILLED(9), KILL_OVERDUE, false, false },
	{ KILLED(9), KILL_START, false, true },
	{ KILLED(9), KILL_PROTOCOL, false, true },
	{ KILLED(9), KILL_PROTOCOL, true, false },
};

static void test_broken_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(events); i++) {
		struct worker_end w = {
			.end = ending(events[i].wait_status, events[i].cause),
			.codes = &codes,
			.proven = events[i].proven,
		};

		assert_int_equal(ending_is_broken(&w), events[i].broken);
	}
}

static void test_no_start(void **state)
{
	struct ending_text text;
	struct outcome o = ending_of_no_start(-ENOENT, &text);

	(void)state;
	assert_is(o, VERDICT_BROKEN, FAILURE_BROKEN, false);
	assert_detail(o, "cannot be started: No such file or directory");
	assert_int_equal(o.exit_status, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status),
		cmocka_unit_test(test_meanings_of_the_user),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_timeout_below_a_second),
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_broken_events),
		cmocka_unit_test(test_no_start),
	};

	return cmocka_run_group_tests_name("ending", tests, set_up, NULL);
}
