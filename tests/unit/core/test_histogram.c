/* SPDX-License-Identifier: MIT */
#include "core/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static unsigned bucket_of(const uint64_t bounds_ms[], uint64_t value_ms)
{
	struct histogram h = { 0 };
	unsigned found = 0;

	histogram_add(&h, bounds_ms, value_ms);
	assert_int_equal(histogram_count(&h), 1);
	assert_int_equal(h.sum_ms, value_ms);
	while (!h.counts[found])
		found++;
	return found;
}

static void assert_bounds(const uint64_t bounds_ms[])
{
	assert_int_equal(bucket_of(bounds_ms, 0), 0);
	for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
		assert_true(i == 0 || bounds_ms[i - 1] < bounds_ms[i]);
		assert_int_equal(bucket_of(bounds_ms, bounds_ms[i]), i);
		assert_int_equal(bucket_of(bounds_ms, bounds_ms[i] + 1), i + 1);
	}
	assert_int_equal(bucket_of(bounds_ms, UINT64_MAX), HISTOGRAM_BOUNDS);
}

static void test_durations(void **unused)
{
	(void)unused;
	assert_bounds(histogram_durations_ms);
	assert_int_equal(histogram_durations_ms[0], 1);
	assert_int_equal(histogram_durations_ms[HISTOGRAM_BOUNDS - 1], 300000);
}

static void test_ages(void **unused)
{
	(void)unused;
	assert_bounds(histogram_ages_ms);
}

static void test_many(void **unused)
{
	struct histogram h = { 0 };

	(void)unused;
	for (uint64_t ms = 0; ms < 1000; ms++)
		histogram_add(&h, histogram_durations_ms, ms);
	assert_int_equal(histogram_count(&h), 1000);
	assert_int_equal(h.counts[0], 2);
	assert_int_equal(h.counts[9], 499);
	assert_int_equal(h.sum_ms, 1000 * 999 / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
