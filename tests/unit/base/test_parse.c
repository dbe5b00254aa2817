/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/parse.h"

struct row {
	const char *text;
	int err;
	uint64_t want;
};

static void check(const struct row *rows, size_t n,
    int (*parse)(struct slice text, uint64_t *ret_value))
{
	for (size_t i = 0; i < n; i++) {
		uint64_t got = 12345;

		print_message("\"%s\"\n", rows[i].text);
		assert_int_equal(parse(slice_of(rows[i].text), &got), rows[i].err);
		assert_int_equal(got, rows[i].err ? 12345 : rows[i].want);
	}
}

static void test_u64(void **state)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "7", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "007", -EINVAL, 0 },
		{ "00", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1_000", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), parse_u64);
}

static void test_u64_is_not_terminated(void **state)
{
	uint64_t got;

	(void)state;
	assert_int_equal(parse_u64((struct slice){ "1234", 2 }, &got), 0);
	assert_int_equal(got, 12);
	assert_int_equal(parse_u64((struct slice){ "1\0", 2 }, &got), -EINVAL);
}

static void test_duration(void **state)
{
	static const struct row rows[] = {
		{ "500ms", 0, 500 },
		{ "0s", 0, 0 },
		{ "30s", 0, 30000 },
		{ "5m", 0, 300000 },
		{ "2h", 0, 7200000 },
		{ "7d", 0, 604800000 },
		{ "213503982334d", 0, 18446744073657600000u },
		{ "213503982335d", -ERANGE, 0 },
		{ "99999999999999999999ms", -ERANGE, 0 },
		{ "5", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "ms", -EINVAL, 0 },
		{ "5 s", -EINVAL, 0 },
		{ "5S", -EINVAL, 0 },
		{ "5sec", -EINVAL, 0 },
		{ "1m30s", -EINVAL, 0 },
		{ "1.5s", -EINVAL, 0 },
		{ "05s", -EINVAL, 0 },
		{ "-5s", -EINVAL, 0 },
		{ "5 parsecs", -EINVAL, 0 },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), parse_duration_ms);
}

static void test_size(void **state)
{
	static const struct row rows[] = {
		{ "0", 0, 0 },
		{ "65536", 0, 65536 },
		{ "64KiB", 0, 65536 },
		{ "16MiB", 0, 16777216 },
		{ "4GiB", 0, 4294967296 },
		{ "17179869184GiB", -ERANGE, 0 },
		{ "64KB", -EINVAL, 0 },
		{ "64K", -EINVAL, 0 },
		{ "64kib", -EINVAL, 0 },
		{ "KiB", -EINVAL, 0 },
		{ "1.5MiB", -EINVAL, 0 },
		{ "1 MiB", -EINVAL, 0 },
	};

	(void)state;
	check(rows, ARRAY_LEN(rows), parse_size);
}

static void test_bool(void **state)
{
	static const char *const bad[] = { "", "yes", "no", "on", "off", "True", "FALSE", "1",
		"true " };
	bool got = false;

	(void)state;
	assert_int_equal(parse_bool(slice_of("true"), &got), 0);
	assert_true(got);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(parse_bool(slice_of(bad[i]), &got), -EINVAL);
		assert_true(got);
	}
	assert_int_equal(parse_bool(slice_of("false"), &got), 0);
	assert_false(got);
}

static void test_decimal(void **state)
{
	static const struct {
		const char *text;
		int err;
		double want;
	} rows[] = {
		{ "3", 0, 3 },
		{ "0", 0, 0 },
		{ "1.5", 0, 1.5 },
		{ "0.1", 0, 0.1 },
		{ "1.10", 0, 1.1 },
		{ "123456789.012345", 0, 123456789.012345 },
		{ "1234567890.123456", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ ".5", -EINVAL, 0 },
		{ "1.", -EINVAL, 0 },
		{ "1.5.2", -EINVAL, 0 },
		{ "1,5", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "01", -EINVAL, 0 },
		{ "inf", -EINVAL, 0 },
		{ "nan", -EINVAL, 0 },
		{ "0x1p3", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double got = 77;

		print_message("\"%s\"\n", rows[i].text);
		assert_int_equal(parse_decimal(slice_of(rows[i].text), &got), rows[i].err);
		assert_true(fabs(got - (rows[i].err ? 77 : rows[i].want)) <= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_u64_is_not_terminated),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_bool),
		cmocka_unit_test(test_decimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
