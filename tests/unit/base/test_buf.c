/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"

static void assert_holds(const struct buf *b, const char *text)
{
	assert_int_equal(buf_len(b), strlen(text));
	assert_memory_equal(buf_data(b), text, strlen(text));
}

static void test_empty(void **unused)
{
	struct buf b = { 0 };
	char *text;

	(void)unused;
	assert_int_equal(buf_len(&b), 0);
	buf_append(&b, NULL, 0);
	buf_append_text(&b, "");
	assert_int_equal(buf_slice(&b).len, 0);
	buf_consume(&b, 0);
	text = buf_take_text(&b);
	assert_string_equal(text, "");
	free(text);
	buf_done(&b);
}

static void test_append_and_consume(void **unused)
{
	struct buf b = { 0 };

	(void)unused;
	buf_append_text(&b, "abc");
	buf_append_char(&b, 'd');
	buf_append(&b, "e\0f", 3);
	assert_int_equal(buf_len(&b), 7);
	assert_memory_equal(buf_data(&b), "abcde\0f", 7);
	buf_consume(&b, 3);
	assert_memory_equal(buf_data(&b), "de\0f", 4);
	buf_consume(&b, 4);
	assert_int_equal(buf_len(&b), 0);
	/* Emptied by reading: the next byte is at the front again. */
	assert_int_equal(b.start, 0);
	buf_append_text(&b, "x");
	assert_holds(&b, "x");
	buf_clear(&b);
	assert_int_equal(buf_len(&b), 0);
	assert_true(b.cap > 0);
	buf_done(&b);
	assert_null(b.memory);
}

static const size_t printf_widths[] = { 0, 1, 254, 255, 256, 257, 511, 512, 5000 };

static void test_printf_at_every_border(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(printf_widths); i++) {
		struct buf b = { 0 };
		size_t width = printf_widths[i];

		buf_append_text(&b, "<");
		buf_printf(&b, "%*s%s", (int)width, "", width ? ">" : "");
		assert_int_equal(buf_len(&b), 1 + width + (width ? 1 : 0));
		if (width)
			assert_int_equal(buf_data(&b)[width + 1], '>');
		buf_done(&b);
	}
}

/* A stream of counted bytes goes through the buffer; what comes out must be what went in. */
static void test_stream(void **unused)
{
	struct buf b = { 0 };
	struct rng r = { 5 };
	uint8_t in = 0, out = 0;

	(void)unused;
	for (int step = 0; step < 20000; step++) {
		size_t n = rng_between(&r, 0, 700), left = buf_len(&b);
		char *to = buf_reserve(&b, n);

		for (size_t i = 0; i < n; i++)
			to[i] = (char)in++;
		buf_added(&b, n);
		assert_int_equal(buf_len(&b), left + n);
		n = rng_between(&r, 0, buf_len(&b) > 4000 ? buf_len(&b) : 600);
		if (n > buf_len(&b))
			n = buf_len(&b);
		for (size_t i = 0; i < n; i++)
			assert_int_equal((uint8_t)buf_data(&b)[i], out++);
		buf_consume(&b, n);
	}
	/* Consumed room is used again: the memory follows the content, not the traffic. */
	assert_true(b.cap <= 64 * 1024);
	buf_done(&b);
}

static void test_take_text(void **unused)
{
	struct buf b = { 0 };
	char *text;

	(void)unused;
	buf_append_text(&b, "skip kept");
	buf_consume(&b, 5);
	text = buf_take_text(&b);
	assert_string_equal(text, "kept");
	assert_null(b.memory);
	assert_int_equal(buf_len(&b), 0);
	free(text);
}

static void test_one_memory_for_two(void **unused)
{
	struct buf a = { 0 }, b = { 0 }, spare = { 0 };
	char *memory;

	(void)unused;
	buf_append_text(&a, "a");
	memory = a.memory;
	buf_clear(&a);
	buf_give_back(&a, &spare);
	assert_null(a.memory);
	buf_borrow(&b, &spare);
	assert_ptr_equal(b.memory, memory);
	assert_null(spare.memory);
	/* None is left: it makes its own. */
	buf_borrow(&a, &spare);
	buf_append_text(&a, "a");
	buf_append_text(&b, "b");
	/* One that has memory keeps it. */
	buf_borrow(&b, &spare);
	assert_holds(&a, "a");
	assert_holds(&b, "b");
	buf_clear(&a);
	buf_clear(&b);
	buf_give_back(&a, &spare);
	buf_give_back(&b, &spare);
	assert_null(a.memory);
	assert_null(b.memory);
	assert_non_null(spare.memory);
	buf_done(&spare);
}

static void test_large_memory_is_not_kept(void **unused)
{
	struct buf b = { 0 }, spare = { 0 };

	(void)unused;
	buf_reserve(&b, BUF_SPARE_BYTES_MAX + 1);
	buf_give_back(&b, &spare);
	assert_null(b.memory);
	assert_null(spare.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_append_and_consume),
		cmocka_unit_test(test_printf_at_every_border),
		cmocka_unit_test(test_stream),
		cmocka_unit_test(test_take_text),
		cmocka_unit_test(test_one_memory_for_two),
		cmocka_unit_test(test_large_memory_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
