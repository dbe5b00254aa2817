/* SPDX-License-Identifier: MIT */
#include "base/digits.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/rng.h"

static void check(uint64_t value)
{
	char expected[DIGITS_MAX + 1], out[DIGITS_MAX + 1];
	size_t len = digits_put(out, value);

	snprintf(expected, sizeof(expected), "%" PRIu64, value);
	out[len] = '\0';
	assert_string_equal(out, expected);
	assert_int_equal(digits_count(value), len);
}

static void test_around_powers(void **unused)
{
	uint64_t power = 1;

	(void)unused;
	check(0);
	for (int i = 0; i < DIGITS_MAX; i++, power *= 10) {
		check(power - 1);
		check(power);
		check(power + 1);
	}
	for (int bit = 0; bit < 64; bit++) {
		check((uint64_t)1 << bit);
		check(((uint64_t)1 << bit) - 1);
	}
	check(UINT64_MAX);
}

static void test_random(void **unused)
{
	struct rng r = { 5 };

	(void)unused;
	for (int i = 0; i < 100000; i++)
		check(rng_next(&r) >> rng_between(&r, 0, 63));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_around_powers),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
