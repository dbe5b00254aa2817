/* SPDX-License-Identifier: MIT */
/* Commands byte by byte. */
#include "redis/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"

static void assert_bytes(const struct buf *b, const char *expected, size_t len)
{
	assert_int_equal(buf_len(b), len);
	assert_memory_equal(buf_data(b), expected, len);
}

#define ASSERT_BYTES(b, literal) assert_bytes(b, literal, sizeof(literal) - 1)

static void test_words(void **unused)
{
	struct buf b = { 0 };

	(void)unused;
	command_words(&b, "PING", NULL);
	ASSERT_BYTES(&b, "*1\r\n$4\r\nPING\r\n");
	command_words(&b, "CLIENT", "SETNAME", "", NULL);
	ASSERT_BYTES(&b, "*1\r\n$4\r\nPING\r\n*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$0\r\n\r\n");
	buf_done(&b);
}

static void test_binary(void **unused)
{
	struct buf b = { 0 };

	(void)unused;
	command_open(&b, 3);
	command_slice(&b, (struct slice){ "a\0\r\n$1", 6 });
	command_slice(&b, (struct slice){ NULL, 0 });
	command_text(&b, "\xff\xfe");
	ASSERT_BYTES(&b, "*3\r\n$6\r\na\0\r\n$1\r\n$0\r\n\r\n$2\r\n\xff\xfe\r\n");
	buf_done(&b);
}

static const struct {
	uint64_t value;
	const char *bytes;
} numbers[] = {
	{ 0, "$1\r\n0\r\n" },
	{ 9, "$1\r\n9\r\n" },
	{ 10, "$2\r\n10\r\n" },
	{ 999999999, "$9\r\n999999999\r\n" },
	{ 1000000000, "$10\r\n1000000000\r\n" },
	{ UINT64_MAX, "$20\r\n18446744073709551615\r\n" },
};

static void test_numbers(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct buf b = { 0 };

		command_u64(&b, numbers[i].value);
		assert_bytes(&b, numbers[i].bytes, strlen(numbers[i].bytes));
		buf_done(&b);
	}
}

static const struct {
	struct entryid id;
	const char *bytes;
} ids[] = {
	{ { 0, 0 }, "$3\r\n0-0\r\n" },
	{ { 1, 2 }, "$3\r\n1-2\r\n" },
	{ { 1234567, 0 }, "$9\r\n1234567-0\r\n" },
	{ { 12345678, 0 }, "$10\r\n12345678-0\r\n" },
	{ { 1717200000000, 0 }, "$15\r\n1717200000000-0\r\n" },
	{ { 0, UINT64_MAX }, "$22\r\n0-18446744073709551615\r\n" },
	{ { UINT64_MAX, 0 }, "$22\r\n18446744073709551615-0\r\n" },
	{ { UINT64_MAX, UINT64_MAX }, "$41\r\n18446744073709551615-18446744073709551615\r\n" },
};

static void test_ids(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct buf b = { 0 };

		command_id(&b, ids[i].id);
		assert_bytes(&b, ids[i].bytes, strlen(ids[i].bytes));
		buf_done(&b);
	}
}

static uint64_t of_n_digits(struct rng *r, int n)
{
	uint64_t low = 1;

	while (--n)
		low *= 10;
	return rng_between(r, low, low > UINT64_MAX / 10 ? UINT64_MAX : low * 10 - 1);
}

/* Every pair of lengths, one after the other in one buffer that grows. */
static void test_ids_of_all_lengths(void **unused)
{
	struct buf b = { 0 }, expected = { 0 };
	struct rng r = { 8 };

	(void)unused;
	for (int ms = 1; ms <= 20; ms++) {
		for (int seq = 1; seq <= 20; seq++) {
			struct entryid id = { of_n_digits(&r, ms), of_n_digits(&r, seq) };
			char text[64];
			int len = snprintf(text, sizeof(text), "%llu-%llu",
			    (unsigned long long)id.ms, (unsigned long long)id.seq);

			command_id(&b, id);
			buf_printf(&expected, "$%d\r\n%s\r\n", len, text);
		}
	}
	assert_bytes(&b, buf_data(&expected), buf_len(&expected));
	buf_done(&b);
	buf_done(&expected);
}

static void test_large_argument(void **unused)
{
	enum { LEN = 3 * 1024 * 1024 };
	char *large = calloc(1, LEN);
	struct buf b = { 0 };

	(void)unused;
	command_open(&b, 123456789);
	command_slice(&b, (struct slice){ large, LEN });
	assert_int_equal(buf_len(&b), 12 + 10 + LEN + 2);
	assert_memory_equal(buf_data(&b), "*123456789\r\n$3145728\r\n", 22);
	assert_memory_equal(buf_data(&b) + buf_len(&b) - 3, "\0\r\n", 3);
	free(large);
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_binary),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_ids_of_all_lengths),
		cmocka_unit_test(test_large_argument),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
