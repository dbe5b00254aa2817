/* SPDX-License-Identifier: MIT */
#include "core/deadletter.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_every_reason_and_failure),
		cmocka_unit_test(test_the_longest_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
