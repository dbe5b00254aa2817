/* SPDX-License-Identifier: MIT */
#include "core/deadletter.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/text.h"

#define S(literal)                                                                                 \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

/* Two records: names and values in the order in which they must stand. */
static const struct deadletter full = {
	.stream = "orders",
	.group = "workers",
	.consumer = "host-1",
	.id = { 1717200000000, 12 },
	.reason = DEAD_REJECTED,
	.failure = FAILURE_EXIT,
	.detail = S("exit status 3"),
	.attempts = 8,
	.handler = "orders-mail",
	.host = "web7",
	.first_ms = 1717200000001,
	.last_ms = 1717200000999,
	.stderr_tail = S("line one\nline\ttwo \x1b[1m\0end"),
};

static const struct deadletter bare = {
	.stream = "",
	.group = "g",
	.consumer = "c",
	.id = { UINT64_MAX, UINT64_MAX },
	.reason = DEAD_TRIMMED,
	.failure = FAILURE_NONE,
	.detail = S(""),
	.attempts = UINT32_MAX,
	.handler = "h",
	.host = "",
	.stderr_tail = { NULL, 0 },
};

static const struct {
	const char *name, *full, *bare;
} rows[] = {
	{ "sluice.meta", "14", "14" },
	{ "sluice.stream", "orders", "" },
	{ "sluice.group", "workers", "g" },
	{ "sluice.consumer", "host-1", "c" },
	{ "sluice.id", "1717200000000-12", "18446744073709551615-18446744073709551615" },
	{ "sluice.reason", "rejected", "trimmed" },
	{ "sluice.failure", "exit", "none" },
	{ "sluice.detail", "exit status 3", "" },
	{ "sluice.attempts", "8", "4294967295" },
	{ "sluice.handler", "orders-mail", "h" },
	{ "sluice.host", "web7", "" },
	{ "sluice.first_ms", "1717200000001", "" },
	{ "sluice.last_ms", "1717200000999", "" },
	{ "sluice.stderr", "line one\\nline\\ttwo \\x1b[1m\\x00end", "" },
};

static void check_pair(const struct slice *pair, const char *name, const char *value)
{
	if (!slice_is(pair[0], name) || !slice_is(pair[1], value))
		fail_msg("%s: %.*s %.*s", name, (int)pair[0].len, pair[0].data, (int)pair[1].len,
		    pair[1].data);
}

static void test_pairs(void **unused)
{
	struct slice pairs[2 * DEADLETTER_PAIRS];
	struct buf scratch = { 0 };

	(void)unused;
	assert_int_equal(ARRAY_LEN(rows), DEADLETTER_PAIRS);
	deadletter_pairs(&full, &scratch, pairs);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_pair(pairs + 2 * i, rows[i].name, rows[i].full);
	/* The scratch is used again, with what is left in it. */
	deadletter_pairs(&bare, &scratch, pairs);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_pair(pairs + 2 * i, rows[i].name, rows[i].bare);
	buf_done(&scratch);
}

static void test_places(void **unused)
{
	struct slice pairs[2 * DEADLETTER_PAIRS];
	struct buf scratch = { 0 };

	(void)unused;
	deadletter_pairs(&full, &scratch, pairs);
	check_pair(pairs + DEADLETTER_ID_AT - 1, "sluice.id", "1717200000000-12");
	check_pair(pairs + DEADLETTER_REASON_AT - 1, "sluice.reason", "rejected");
	check_pair(pairs + DEADLETTER_ATTEMPTS_AT - 1, "sluice.attempts", "8");
	buf_done(&scratch);
}

static void test_every_reason_and_failure(void **unused)
{
	struct slice pairs[2 * DEADLETTER_PAIRS];
	struct buf scratch = { 0 };
	struct deadletter d = full;

	(void)unused;
	for (int r = 0; r < DEAD_REASON_COUNT; r++) {
		for (int f = 0; f < FAILURE_COUNT; f++) {
			d.reason = (enum dead_reason)r;
			d.failure = (enum failure)f;
			deadletter_pairs(&d, &scratch, pairs);
			check_pair(pairs + 10, "sluice.reason", dead_reason_word(d.reason));
			check_pair(pairs + 12, "sluice.failure", failure_word(d.failure));
		}
	}
	buf_done(&scratch);
}

/* 4 KiB of what grows most when it is written on one line; nothing may move meanwhile. */
static void test_the_longest_stderr(void **unused)
{
	enum { TAIL = 4096 };
	struct slice pairs[2 * DEADLETTER_PAIRS];
	struct deadletter d = full;
	char *tail = xmalloc(TAIL);

	(void)unused;
	for (int byte = 0; byte < 256; byte++) {
		struct buf scratch = { 0 }, expected = { 0 };

		memset(tail, byte, TAIL);
		d.stderr_tail = (struct slice){ tail, TAIL };
		deadletter_pairs(&d, &scratch, pairs);
		text_append_printable(&expected, d.stderr_tail);
		assert_true(slice_equal(pairs[27], buf_slice(&expected)));
		assert_null(memchr(pairs[27].data, '\n', pairs[27].len));
		for (size_t i = 0; i + 1 < ARRAY_LEN(rows); i++)
			check_pair(pairs + 2 * i, rows[i].name, rows[i].full);
		buf_done(&scratch);
		buf_done(&expected);
	}
	free(tail);
}

/* Its words, separated by blanks, are name, value, name, value, ... */
static struct fields fields_of(const char *words, struct slice slices[32])
{
	size_t n = 0;

	while (*words) {
		slices[n].data = words;
		slices[n++].len = strcspn(words, " ");
		words += strcspn(words, " ");
		words += *words == ' ';
	}
	return (struct fields){ .n_pairs = (uint32_t)(n / 2), .slices = slices };
}

static void test_split(void **unused)
{
	static const struct {
		const char *words;
		int n_meta, n_original; /* n_meta -1: it is no record */
	} records[] = {
		{ "sluice.meta 1", 1, 0 },
		{ "sluice.meta 2 sluice.id 1-1 a b c d", 2, 2 },
		{ "sluice.meta 2 sluice.id 1-1 sluice.meta 9", 2, 1 },
		{ "", -1, 0 },
		{ "a b", -1, 0 },
		{ "a b sluice.meta 1", -1, 0 },
		{ "sluice.meta 0", -1, 0 },
		{ "sluice.meta 2", -1, 0 },
		{ "sluice.meta 18446744073709551616", -1, 0 },
		{ "sluice.meta 4294967297", -1, 0 },
		{ "sluice.meta x", -1, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct slice slices[32];
		struct fields all = fields_of(records[i].words, slices), meta, original;
		int r = deadletter_split(&all, &meta, &original);

		assert_int_equal(r, records[i].n_meta < 0 ? -EINVAL : 0);
		if (r)
			continue;
		assert_int_equal(meta.n_pairs, records[i].n_meta);
		assert_int_equal(original.n_pairs, records[i].n_original);
		assert_ptr_equal(original.slices, slices + 2 * (size_t)meta.n_pairs);
	}
}

static void test_redriven(void **unused)
{
	static const struct {
		const char *words;
		uint64_t n;
	} originals[] = {
		{ "", 0 },
		{ "a b", 0 },
		{ "sluice.redriven 3", 3 },
		{ "a b sluice.redriven 10", 10 },
		{ "sluice.redriven 3 a b", 0 },
		{ "a b sluice.redriven x", 0 },
		{ "sluice.redriven 3 sluice.redriven 4", 4 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(originals); i++) {
		struct slice slices[32];
		struct fields original = fields_of(originals[i].words, slices);

		assert_int_equal(deadletter_redriven(&original), originals[i].n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_every_reason_and_failure),
		cmocka_unit_test(test_the_longest_stderr),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_redriven),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
