/* SPDX-License-Identifier: MIT */
#include "ctl/entryjson.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/text.h"
#include "handler/fieldsjson.h"

/* name=value pairs, printable, a blank between them. */
static const struct {
	const char *line, *want;
} good[] = {
	{ "{\"a\":\"1\",\"b\":\"2\"}", "a=1 b=2" },
	{ " {\"z\":\"1\",\"a\":\"\"}\r", "z=1 a=" },
	{ "{\"a\":[\"1\",\"2\"],\"b\":\"3\"}", "a=1 a=2 b=3" },
	{ "{\"a\":{\"base64\":\"/w==\"}}", "a=\\xff" },
	{ "{\"a\":[{\"base64\":\"/w==\"},\"x\",{\"base64\":\"AAE=\"}]}",
	    "a=\\xff a=x a=\\x00\\x01" },
	{ "{\"a\":\"x\\u0000y\"}", "a=x\\x00y" },
	{ "{\"\":\"\"}", "=" },
	/* What prints entries. */
	{ "{\"id\":\"5-1\",\"fields\":{\"a\":\"1\"},\"more\":true}", "a=1" },
	{ "{\"tag\":1,\"pairs\":[[\"a\",\"1\"],[{\"base64\":\"/w==\"},\"2\"],[\"a\",\"3\"]]}",
	    "a=1 \\xff=2 a=3" },
	{ "{\"id\":\"5-1\",\"fields\":{\"base64\":\"AAE=\"}}", "base64=AAE=" },
	/* Fields that are only called so. */
	{ "{\"fields\":\"1\",\"pairs\":\"2\"}", "fields=1 pairs=2" },
	{ "{\"fields\":{\"base64\":\"/w==\"}}", "fields=\\xff" },
	{ "{\"pairs\":[\"1\",\"2\"]}", "pairs=1 pairs=2" },
	{ "{\"id\":\"x\",\"fields\":{\"base64\":\"/w==\"}}", "id=x fields=\\xff" },
};

static const struct {
	const char *line, *why;
} bad[] = {
	{ "", "expected an object" },
	{ "[]", "expected an object, got a list" },
	{ "3", "expected an object, got a number" },
	{ "{", "expected an object: " },
	{ "{} {}", "expected an object: " },
	{ "{}", "expected at least one field" },
	{ "{\"fields\":{}}", "expected at least one field" },
	{ "{\"a\":1}", "got a number in \"a\"" },
	{ "{\"a\":null}", "got null in \"a\"" },
	{ "{\"a\":true}", "got true or false in \"a\"" },
	{ "{\"a\":{\"b\":\"c\"}}", "got an object in \"a\"" },
	{ "{\"a\":[]}", "expected at least one value in \"a\"" },
	{ "{\"a\":[[\"1\"]]}", "got a list in \"a\"" },
	{ "{\"a\":{\"base64\":\"x\"}}", "expected base64" },
	{ "{\"a\":{\"base64\":\"/w==\",\"b\":\"c\"}}", "got an object in \"a\"" },
	{ "{\"a\":\"1\",\"a\":\"2\"}", "duplicate" },
	{ "{\"pairs\":[[\"a\"]]}", "lists of a name and a value" },
	{ "{\"pairs\":[[\"a\",\"1\"],3]}", "got a number in \"pairs\"" },
	{ "{\"pairs\":[[3,\"1\"]]}", "got a number in \"pairs\"" },
	{ "{\"fields\":{\"a\":1}}", "got a number in \"a\"" },
	{ "{\"a\":\"\xff\"}", "expected an object: " },
	{ "{\"a\":\"\\ud800\"}", "expected an object: " },
};

static void show(const struct fields *f, struct buf *to)
{
	for (size_t i = 0; i < 2 * f->n_pairs; i++) {
		if (i)
			buf_append_char(to, i % 2 ? '=' : ' ');
		text_append_printable(to, f->slices[i]);
	}
	buf_append_char(to, '\0');
}

static void test_good_lines(void **state)
{
	struct entryjson e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct buf got = { 0 };

		assert_int_equal(entryjson_read(&e, slice_of(good[i].line)), 0);
		show(&e.fields, &got);
		assert_string_equal(buf_data(&got), good[i].want);
		buf_done(&got);
	}
	entryjson_done(&e);
}

static void test_bad_lines(void **state)
{
	struct entryjson e = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(entryjson_read(&e, slice_of(bad[i].line)), -EINVAL);
		if (!strstr(entryjson_why(&e), bad[i].why))
			fail_msg("%s: \"%s\"", bad[i].line, entryjson_why(&e));
	}
	entryjson_done(&e);
}

/* Whatever fields are, what is written of them is read as the same ones. */
static void test_back_and_forth(void **state)
{
	struct slice slices[] = { slice_of("a"), { "\xff\0", 2 }, slice_of("a"), slice_of("2"),
		slice_of("\xc3\xa4"), slice_of("\"\\\n"), { "\xfe", 1 }, { "", 0 } };
	struct entryjson e = { 0 };

	(void)state;
	for (uint32_t n = 1; n <= 4; n++) {
		struct fields f = { .n_pairs = n, .slices = slices };
		struct buf line = { 0 };

		buf_append_text(&line, "{\"id\":\"5-1\"");
		fieldsjson_append(&line, &f);
		buf_append_char(&line, '}');
		assert_int_equal(entryjson_read(&e, buf_slice(&line)), 0);
		assert_int_equal(e.fields.n_pairs, n);
		for (size_t i = 0; i < 2 * n; i++)
			assert_true(slice_equal(e.fields.slices[i], slices[i]));
		buf_done(&line);
	}
	entryjson_done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_lines),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_back_and_forth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
