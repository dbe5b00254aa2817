/* SPDX-License-Identifier: MIT */
#include "core/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/rng.h"

static const struct {
	uint64_t initial_ms, max_ms;
	uint64_t whole_ms[6];
} rows[] = {
	{ 100, 10000, { 100, 200, 400, 800, 1600, 3200 } },
	{ 100, 300, { 100, 200, 300, 300, 300, 300 } },
	{ 100, 100, { 100, 100, 100, 100, 100, 100 } },
	{ 500, 100, { 100, 100, 100, 100, 100, 100 } },
	{ 1, 5, { 1, 2, 4, 5, 5, 5 } },
	{ 0, 5, { 0, 0, 0, 0, 0, 0 } },
	{ 0, 0, { 0, 0, 0, 0, 0, 0 } },
	{ UINT64_MAX / 2 + 1, UINT64_MAX,
	    { UINT64_MAX / 2 + 1, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX } },
};

/* Dice 0 gives the whole delay, dice of half of it the shortest. */
static void test_growth_and_bounds(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct backoff longest = { rows[i].initial_ms, rows[i].max_ms, 0 };
		struct backoff shortest = longest, any = longest;
		struct rng r = { i };

		for (size_t n = 0; n < ARRAY_LEN(rows[i].whole_ms); n++) {
			uint64_t whole = rows[i].whole_ms[n], low = whole - whole / 2;
			uint64_t d = backoff_next_ms(&any, rng_next(&r));

			assert_true(backoff_next_ms(&longest, 0) == whole);
			assert_true(backoff_next_ms(&shortest, whole / 2) == low);
			assert_true(d >= low && d <= whole);
		}
	}
}

static void test_dice_spread(void **unused)
{
	struct rng r = { 9 };
	unsigned below = 0;

	(void)unused;
	for (int i = 0; i < 10000; i++) {
		struct backoff b = { 1000, 60000, 0 };
		uint64_t d = backoff_next_ms(&b, rng_next(&r));

		assert_in_range(d, 500, 1000);
		below += d < 750;
	}
	assert_in_range(below, 4700, 5300);
}

static void test_reset_and_to_max(void **unused)
{
	struct backoff b = { 100, 1000, 0 };

	(void)unused;
	backoff_next_ms(&b, 0);
	assert_int_equal(backoff_next_ms(&b, 0), 200);
	backoff_to_max(&b);
	assert_int_equal(backoff_next_ms(&b, 0), 1000);
	assert_int_equal(backoff_next_ms(&b, 0), 1000);
	backoff_reset(&b);
	assert_int_equal(backoff_next_ms(&b, 0), 100);
	assert_int_equal(backoff_next_ms(&b, 0), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_growth_and_bounds),
		cmocka_unit_test(test_dice_spread),
		cmocka_unit_test(test_reset_and_to_max),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
