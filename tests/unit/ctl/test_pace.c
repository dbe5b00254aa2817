/* SPDX-License-Identifier: MIT */
#include "ctl/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_batch(void **unused)
{
	static const struct {
		uint64_t rate;
		size_t max, batch;
	} rows[] = {
		{ 0, 50, 50 },
		{ 1, 50, 1 },
		{ 10, 50, 1 },
		{ 99, 50, 9 },
		{ 500, 50, 50 },
		{ UINT64_MAX, 50, 50 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pace p = { .rate = rows[i].rate };

		assert_int_equal(pace_batch(&p, rows[i].max), rows[i].batch);
	}
}

static void test_nobody_waits_without_a_rate(void **unused)
{
	struct pace p = { 0 };

	(void)unused;
	pace_wait(&p, NULL, 1000000);
	assert_int_equal(p.n_done, 1000000);
}

static void test_what_was_slow_is_not_waited_for(void **unused)
{
	struct pace p = { .rate = 1000, .started_at_ms = 0 };

	(void)unused;
	pace_wait(&p, NULL, 1);
	assert_int_equal(p.n_done, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_nobody_waits_without_a_rate),
		cmocka_unit_test(test_what_was_slow_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
