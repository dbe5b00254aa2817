/* SPDX-License-Identifier: MIT */
#include "control/exposition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_written(struct buf *b, const char *expected)
{
	buf_append_char(b, '\0');
	assert_string_equal(buf_data(b), expected);
	buf_done(b);
}

static void test_family(void **unused)
{
	struct buf b = { 0 };

	(void)unused;
	exposition_family(&b, "x_total", EXPOSITION_COUNTER, "How many.");
	exposition_family(&b, "y", EXPOSITION_GAUGE, "How much.");
	exposition_family(&b, "z", EXPOSITION_HISTOGRAM, "How long.");
	assert_written(&b, "# HELP x_total How many.\n# TYPE x_total counter\n"
	                   "# HELP y How much.\n# TYPE y gauge\n"
	                   "# HELP z How long.\n# TYPE z histogram\n");
}

static void test_labels(void **unused)
{
	const struct labels none = { 0 }, one = { { { "a", "b" } } },
	                    odd = { { { "a", "1" }, { "name", "x\"y\\z\nw \xc3\xa9\xff" } } };
	struct buf b = { 0 };

	(void)unused;
	exposition_u64(&b, "n", &none, 0);
	exposition_u64(&b, "n", &one, UINT64_MAX);
	exposition_u64(&b, "n", &odd, 7);
	assert_written(&b, "n 0\n"
	                   "n{a=\"b\"} 18446744073709551615\n"
	                   "n{a=\"1\",name=\"x\\\"y\\\\z\\nw \xc3\xa9\xef\xbf\xbd\"} 7\n");
}

static void test_seconds(void **unused)
{
	static const struct {
		uint64_t ms;
		const char *expected;
	} rows[] = {
		{ 0, "t 0\n" },
		{ 1, "t 0.001\n" },
		{ 20, "t 0.02\n" },
		{ 999, "t 0.999\n" },
		{ 1000, "t 1\n" },
		{ 61050, "t 61.05\n" },
		{ 1795437580999, "t 1795437580.999\n" },
	};
	const struct labels none = { 0 };

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = { 0 };

		exposition_ms(&b, "t", &none, rows[i].ms);
		assert_written(&b, rows[i].expected);
	}
}

static const char *line(const char *text, unsigned n)
{
	while (n--)
		text = strchr(text, '\n') + 1;
	return text;
}

static void assert_line(const char *text, unsigned n, const char *expected)
{
	assert_memory_equal(line(text, n), expected, strlen(expected));
	assert_int_equal(line(text, n)[strlen(expected)], '\n');
}

static void test_histogram(void **unused)
{
	const struct labels one = { { { "consumer", "c" } } };
	struct histogram h = { 0 };
	struct buf b = { 0 };

	(void)unused;
	histogram_add(&h, histogram_durations_ms, 0);
	histogram_add(&h, histogram_durations_ms, 150);
	histogram_add(&h, histogram_durations_ms, 400000);
	exposition_histogram(&b, "s", &one, histogram_durations_ms, &h);
	buf_append_char(&b, '\0');
	assert_line(buf_data(&b), 0, "s_bucket{consumer=\"c\",le=\"0.001\"} 1");
	assert_line(buf_data(&b), 6, "s_bucket{consumer=\"c\",le=\"0.1\"} 1");
	assert_line(buf_data(&b), 7, "s_bucket{consumer=\"c\",le=\"0.2\"} 2");
	assert_line(buf_data(&b), 15, "s_bucket{consumer=\"c\",le=\"300\"} 2");
	assert_line(buf_data(&b), 16, "s_bucket{consumer=\"c\",le=\"+Inf\"} 3");
	assert_line(buf_data(&b), 17, "s_sum{consumer=\"c\"} 400.15");
	assert_line(buf_data(&b), 18, "s_count{consumer=\"c\"} 3");
	assert_int_equal(*line(buf_data(&b), 19), '\0');
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_histogram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
