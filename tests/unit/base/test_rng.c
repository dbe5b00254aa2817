/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/compiler.h"

/* The published first outputs of splitmix64 for the seed 1234567. */
static void test_known_sequence(void **unused)
{
	static const uint64_t expected[] = { 6457827717110365317u, 3203168211198807973u,
		9817491932198370423u, 4593380528125082431u, 16408922859458223821u };
	struct rng r = { 1234567 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		assert_true(rng_next(&r) == expected[i]);
}

static const struct {
	uint64_t low, high;
} ranges[] = {
	{ 0, 0 },
	{ 7, 7 },
	{ 0, 1 },
	{ 10, 19 },
	{ UINT64_MAX, UINT64_MAX },
	{ UINT64_MAX - 1, UINT64_MAX },
	{ 0, UINT64_MAX - 1 },
	{ 1, UINT64_MAX },
	{ 0, UINT64_MAX },
};

static void test_stays_between(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		struct rng r = { .state = i };

		for (int k = 0; k < 2000; k++) {
			uint64_t v = rng_between(&r, ranges[i].low, ranges[i].high);

			assert_true(v >= ranges[i].low && v <= ranges[i].high);
		}
	}
}

/* An empty range has one answer. */
static void test_reversed_range(void **unused)
{
	struct rng r = { 3 };

	(void)unused;
	assert_int_equal(rng_between(&r, 9, 4), 9);
}

static void test_reaches_every_value_evenly(void **unused)
{
	struct rng r = { 99 };
	unsigned hits[10] = { 0 };

	(void)unused;
	for (int k = 0; k < 100000; k++)
		hits[rng_between(&r, 20, 29) - 20]++;
	for (size_t i = 0; i < ARRAY_LEN(hits); i++)
		assert_in_range(hits[i], 9000, 11000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_sequence),
		cmocka_unit_test(test_stays_between),
		cmocka_unit_test(test_reversed_range),
		cmocka_unit_test(test_reaches_every_value_evenly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
