/* SPDX-License-Identifier: MIT */
#include "ctl/linesource.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"

enum { MAX_BYTES = 8 };

/* The lines that are found, each ended by '|', and then how it ended. */
static const struct {
	const char *text, *want;
	int end;
} cases[] = {
	{ "", "", LINESOURCE_END },
	{ "a\nb\n", "a|b|", LINESOURCE_END },
	{ "a\nb", "a|b|", LINESOURCE_END },
	{ "\n\na\n", "||a|", LINESOURCE_END },
	{ "12345678\n9", "12345678|9|", LINESOURCE_END },
	{ "a\n123456789\nb", "a|", -EMSGSIZE },
	{ "123456789", "", -EMSGSIZE },
};

/* What is read from a pipe that ends behind the text. */
static void read_all(const char *text, struct linesource *s, int *ret_end, struct buf *got)
{
	struct slice line;
	int ends[2], r;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
	close(ends[1]);
	*s = (struct linesource){ .fd = ends[0], .max_bytes = MAX_BYTES };
	while ((r = linesource_next(s, &line)) == LINESOURCE_LINE) {
		buf_append(got, line.data, line.len);
		buf_append_char(got, '|');
	}
	buf_append_char(got, '\0');
	*ret_end = r;
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct linesource s;
		struct buf got = { 0 };
		int end;

		read_all(cases[i].text, &s, &end, &got);
		assert_string_equal(buf_data(&got), cases[i].want);
		assert_int_equal(end, cases[i].end);
		linesource_close(&s);
		buf_done(&got);
	}
}

static void test_nothing_yet(void **state)
{
	struct linesource s = { .max_bytes = MAX_BYTES };
	struct slice line;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	s.fd = ends[0];
	assert_int_equal(write(ends[1], "a\nb", 3), 3);
	assert_int_equal(linesource_next(&s, &line), LINESOURCE_LINE);
	assert_int_equal(linesource_next(&s, &line), -EAGAIN);
	assert_int_equal(write(ends[1], "c\n", 2), 2);
	assert_int_equal(linesource_next(&s, &line), LINESOURCE_LINE);
	assert_true(slice_is(line, "bc"));
	assert_int_equal(s.n_lines, 2);
	assert_int_equal(s.n_bytes, 5);
	close(ends[1]);
	assert_int_equal(linesource_next(&s, &line), LINESOURCE_END);
	linesource_close(&s);
}

static void test_files(void **state)
{
	char path[] = "/tmp/linesource-XXXXXX";
	int fd = mkstemp(path);
	struct linesource s;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a\n", 2), 2);
	close(fd);
	assert_int_equal(linesource_open(&s, path, MAX_BYTES), 0);
	assert_int_equal(s.file_bytes, 2);
	linesource_close(&s);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(linesource_open(&s, path, MAX_BYTES), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_nothing_yet),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
