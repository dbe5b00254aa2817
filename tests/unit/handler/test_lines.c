/* SPDX-License-Identifier: MIT */
/* Bytes into lines: the same lines come out however the bytes are cut into reads. */
#include "handler/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_BYTES = 5 };

struct collector {
	struct lines lines;
	struct buf got;
};

/* "text" whole, "text!" cut, "text~" unended, each followed by a bar. */
static void on_line(struct lines *l, struct slice line, enum line_end end)
{
	struct collector *c = container_of(l, struct collector, lines);
	static const char *const marks[] = {
		[LINE_WHOLE] = "|",
		[LINE_CUT] = "!|",
		[LINE_UNENDED] = "~|",
	};

	buf_append(&c->got, line.data, line.len);
	buf_append_text(&c->got, marks[end]);
}

static const struct {
	const char *in, *out;
} cases[] = {
	{ "", "" },
	{ "\n", "|" },
	{ "a\n", "a|" },
	{ "a\nb\n\nc\n", "a|b||c|" },
	{ "a", "a~|" },
	{ "a\nb", "a|b~|" },
	{ "12345\n", "12345|" },
	{ "123456\n", "12345!|" },
	{ "123456789012345\nab\n", "12345!|ab|" },
	{ "12345", "12345~|" },
	{ "123456", "12345!|" },
	{ "1234567\n7654321\n1\n", "12345!|76543!|1|" },
};

static void assert_lines(const char *in, size_t step, const char *out)
{
	struct collector c = { 0 };
	char *got;

	lines_init(&c.lines, MAX_BYTES, on_line);
	for (size_t at = 0, len = strlen(in); at < len; at += step)
		lines_feed(&c.lines, in + at, len - at < step ? len - at : step);
	lines_finish(&c.lines);
	got = buf_take_text(&c.got);
	assert_string_equal(got, out);
	assert_null(c.lines.partial.memory);
	free(got);
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t step = 1; step < 20; step++)
			assert_lines(cases[i].in, step, cases[i].out);
	}
}

static void test_endless_line_takes_no_memory(void **state)
{
	static const char block[4096] = { 'x' };
	struct collector c = { 0 };

	(void)state;
	lines_init(&c.lines, MAX_BYTES, on_line);
	for (int i = 0; i < 10000; i++)
		lines_feed(&c.lines, block, sizeof(block));
	assert_int_equal(buf_len(&c.got), MAX_BYTES + 2);
	assert_null(c.lines.partial.memory);
	lines_finish(&c.lines);
	buf_done(&c.got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_endless_line_takes_no_memory),
	};

	return cmocka_run_group_tests_name("lines", tests, NULL, NULL);
}
