/* SPDX-License-Identifier: MIT */
#include "core/entryid.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

#define MAX "18446744073709551615"

static const struct {
	const char *text;
	struct entryid id;
} valid[] = {
	{ "0-0", { 0, 0 } },
	{ "0-1", { 0, 1 } },
	{ "1-0", { 1, 0 } },
	{ "1717200000000-0", { 1717200000000, 0 } },
	{ "1717200000000-42", { 1717200000000, 42 } },
	{ "9-10", { 9, 10 } },
	{ "10000000000000000000-9999999999999999999",
	    { 10000000000000000000u, 9999999999999999999u } },
	{ "18446744073709551609-18446744073709551610", { UINT64_MAX - 6, UINT64_MAX - 5 } },
	{ MAX "-0", { UINT64_MAX, 0 } },
	{ "0-" MAX, { 0, UINT64_MAX } },
	{ MAX "-" MAX, { UINT64_MAX, UINT64_MAX } },
};

static const struct slice invalid[] = {
	{ NULL, 0 },
	{ "", 0 },
	{ "-", 1 },
	{ "1", 1 },
	{ "1-", 2 },
	{ "-1", 2 },
	{ "--1", 3 },
	{ "1--1", 4 },
	{ "1-1-", 4 },
	{ "1-1-1", 5 },
	{ "+1-1", 4 },
	{ "1-+1", 4 },
	{ " 1-1", 4 },
	{ "1 -1", 4 },
	{ "1-1 ", 4 },
	{ "1-1\n", 4 },
	{ "1-1\0", 4 },
	{ "1\0-1", 4 },
	{ "01-1", 4 },
	{ "1-01", 4 },
	{ "00-0", 4 },
	{ "0-00", 4 },
	{ "0x1-1", 5 },
	{ "1-a", 3 },
	{ "1:1", 3 },
	{ "1/1", 3 },
	{ "*", 1 },
	{ "$", 1 },
	{ "1-*", 3 },
	{ "1717200:00000-0", 15 },
	{ "171720/000000-0", 15 },
	{ "1717200000?00-0", 15 },
	{ "17172000\xb0-0", 11 },
	{ "1717\xb1"
	  "000-0",
	    10 },
	{ "\xef\xbc\x91-1", 5 },
	{ "18446744073709551616-0", 22 },
	{ "0-18446744073709551616", 22 },
	{ "18446744073709551620-0", 22 },
	{ "28446744073709551615-0", 22 },
	{ "99999999999999999999-0", 22 },
	{ "184467440737095516150-0", 23 },
	{ "0-184467440737095516150", 23 },
	{ "100000000000000000000000000000000000000000-0", 44 },
};

static void test_parse_and_format(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
		struct entryid id = { 77, 77 };
		char out[ENTRYID_TEXT_SIZE];
		size_t len;

		assert_int_equal(entryid_parse(slice_of(valid[i].text), &id), 0);
		assert_true(id.ms == valid[i].id.ms && id.seq == valid[i].id.seq);
		len = entryid_format(id, out);
		assert_int_equal(len, strlen(valid[i].text));
		assert_memory_equal(out, valid[i].text, len);
		assert_string_equal(entryid_text(id).text, valid[i].text);
	}
}

static void test_refused_text_writes_nothing(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
		struct entryid id = { 77, 78 };

		if (entryid_parse(invalid[i], &id) != -EINVAL)
			fail_msg("accepted \"%.*s\"", (int)invalid[i].len, invalid[i].data);
		assert_true(id.ms == 77 && id.seq == 78);
	}
}

/* A view may end in the middle of digits that go on behind it. */
static void test_stops_at_the_end_of_the_view(void **unused)
{
	const char *text = "12-3456";
	struct entryid id;
	char *exact = malloc(4);

	(void)unused;
	assert_int_equal(entryid_parse((struct slice){ text, 4 }, &id), 0);
	assert_true(id.ms == 12 && id.seq == 3);
	assert_int_equal(entryid_parse((struct slice){ text, 3 }, &id), -EINVAL);
	/* With nothing behind it: a read past the end is seen by the sanitizer. */
	memcpy(exact, text, 4);
	assert_int_equal(entryid_parse((struct slice){ exact, 4 }, &id), 0);
	assert_int_equal(entryid_parse((struct slice){ exact, 2 }, &id), -EINVAL);
	free(exact);
}

static void test_longest_text_fits(void **unused)
{
	struct entryid_text t = entryid_text((struct entryid){ UINT64_MAX, UINT64_MAX });

	(void)unused;
	assert_int_equal(strlen(t.text) + 1, ENTRYID_TEXT_SIZE);
}

/* In rising order. */
static const struct entryid ladder[] = {
	{ 0, 0 },
	{ 0, 1 },
	{ 0, UINT64_MAX },
	{ 1, 0 },
	{ 1, 1 },
	{ 9, 500 },
	{ 10, 3 },
	{ UINT64_MAX, 0 },
	{ UINT64_MAX, UINT64_MAX },
};

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void test_compare(void **unused)
{
	int n = (int)ARRAY_LEN(ladder);

	(void)unused;
	for (int i = 0; i < n; i++) {
		for (int k = 0; k < n; k++)
			assert_int_equal(sign(entryid_compare(ladder[i], ladder[k])), sign(i - k));
		assert_int_equal(entryid_is_zero(ladder[i]), i == 0);
	}
}

static const struct {
	struct entryid id, before;
} steps[] = {
	{ { 0, 0 }, { 0, 0 } },
	{ { 0, 1 }, { 0, 0 } },
	{ { 1, 0 }, { 0, UINT64_MAX } },
	{ { 5, 7 }, { 5, 6 } },
	{ { UINT64_MAX, 0 }, { UINT64_MAX - 1, UINT64_MAX } },
	{ { UINT64_MAX, UINT64_MAX }, { UINT64_MAX, UINT64_MAX - 1 } },
};

static void test_before(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		assert_int_equal(entryid_compare(entryid_before(steps[i].id), steps[i].before), 0);
}

/* Up and down again; only the lowest and the highest do not move. */
static void test_after(void **unused)
{
	struct entryid highest = { UINT64_MAX, UINT64_MAX };

	(void)unused;
	for (size_t i = 1; i < ARRAY_LEN(steps); i++)
		assert_int_equal(entryid_compare(entryid_after(steps[i].before), steps[i].id), 0);
	assert_int_equal(entryid_compare(entryid_after(highest), highest), 0);
}

static void test_round_trip(void **unused)
{
	struct rng r = { 21 };

	(void)unused;
	for (int i = 0; i < 20000; i++) {
		/* Shifted: numbers of every length. */
		struct entryid id = { rng_next(&r) >> rng_between(&r, 0, 63),
			rng_next(&r) >> rng_between(&r, 0, 63) },
		               back;
		char out[ENTRYID_TEXT_SIZE];
		size_t len = entryid_format(id, out);

		assert_int_equal(entryid_parse((struct slice){ out, len }, &back), 0);
		assert_int_equal(entryid_compare(id, back), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),
		cmocka_unit_test(test_refused_text_writes_nothing),
		cmocka_unit_test(test_stops_at_the_end_of_the_view),
		cmocka_unit_test(test_longest_text_fits),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_before),
		cmocka_unit_test(test_after),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
