/* SPDX-License-Identifier: MIT */
/* The words of verdicts, failures and signals, and the default exit table. */
#include "core/verdict.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_words(void **state)
{
	static const char *const verdicts[] = { "ok", "retry", "dead", "drop", "release",
		"broken" };
	static const char *const failures[] = { "none", "exit", "signal", "timeout", "retry",
		"broken" };

	(void)state;
	for (int i = 0; i < VERDICT_COUNT; i++)
		assert_string_equal(verdict_word((enum verdict)i), verdicts[i]);
	for (int i = 0; i < FAILURE_COUNT; i++)
		assert_string_equal(failure_word((enum failure)i), failures[i]);
}

static enum exit_meaning expected_meaning(int status)
{
	switch (status) {
	case 0:
		return EXIT_MEANS_OK;
	case 65:
		return EXIT_MEANS_DEAD;
	case 64:
	case 78:
	case 126:
	case 127:
		return EXIT_MEANS_BROKEN;
	default:
		return EXIT_MEANS_RETRY;
	}
}

static void test_default_exit_codes(void **state)
{
	struct exit_codes codes;

	(void)state;
	exit_codes_default(&codes);
	for (int status = 0; status < 256; status++)
		assert_int_equal(codes.meaning[status], expected_meaning(status));
}

static void test_signal_names(void **state)
{
	(void)state;
	assert_string_equal(signal_name(SIGSEGV), "SIGSEGV");
	assert_string_equal(signal_name(SIGKILL), "SIGKILL");
	assert_string_equal(signal_name(SIGSYS), "SIGSYS");
	assert_string_equal(signal_name(40), "signal 40");
	assert_string_equal(signal_name(40), "signal 40");
	assert_string_equal(signal_name(64), "signal 64");
	assert_string_equal(signal_name(0), "signal 0");
	assert_string_equal(signal_name(-1), "unknown signal");
	assert_string_equal(signal_name(1000), "unknown signal");
	for (int i = 1; i < 32; i++)
		assert_memory_equal(signal_name(i), "SIG", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_default_exit_codes),
		cmocka_unit_test(test_signal_names),
	};

	return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
