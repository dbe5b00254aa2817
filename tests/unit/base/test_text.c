/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/text.h"

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t first; /* bytes of the first sequence */
		bool valid;
	} rows[] = {
		{ "a", 1, true },
		{ "\x7f", 1, true },
		{ "\xc2\x80", 2, true },
		{ "\xdf\xbf z", 2, true },
		{ "\xe0\xa0\x80", 3, true },
		{ "\xed\x9f\xbf", 3, true },
		{ "\xef\xbf\xbf", 3, true },
		{ "\xf0\x90\x80\x80", 4, true },
		{ "\xf4\x8f\xbf\xbf", 4, true },
		{ "\x80", 0, false },             /* a continuation first */
		{ "\xc0\x80", 0, false },         /* overlong */
		{ "\xc1\xbf", 0, false },         /* overlong */
		{ "\xe0\x9f\xbf", 0, false },     /* overlong */
		{ "\xf0\x8f\xbf\xbf", 0, false }, /* overlong */
		{ "\xed\xa0\x80", 0, false },     /* a surrogate */
		{ "\xf4\x90\x80\x80", 0, false }, /* above U+10FFFF */
		{ "\xf5\x80\x80\x80", 0, false },
		{ "\xe2\x82", 0, false }, /* cut short */
		{ "\xe2\x82z", 0, false },
		{ "\xf0\x90\x80z", 0, false },
		{ "a\xff", 1, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(text_utf8_sequence(slice_of(rows[i].text)), rows[i].first);
		assert_int_equal(text_is_utf8(slice_of(rows[i].text)), rows[i].valid);
	}
	assert_true(text_is_utf8(slice_of("")));
	assert_true(text_is_utf8((struct slice){ "a\0b", 3 }));
}

static void check_printable(struct slice in, const char *want)
{
	struct buf got = { 0 };

	text_append_printable(&got, in);
	buf_append_char(&got, '\0');
	assert_string_equal(buf_data(&got), want);
	buf_done(&got);
}

static void test_printable(void **state)
{
	(void)state;
	check_printable(slice_of("plain \\ text"), "plain \\ text");
	check_printable(slice_of("a\nb\tc\r"), "a\\nb\\tc\\x0d");
	check_printable((struct slice){ "a\0b", 3 }, "a\\x00b");
	check_printable(slice_of("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
	check_printable(slice_of("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
	check_printable(slice_of("\xc2\x9b!"), "\\xc2\\x9b!");
	check_printable(slice_of("\xff\xc3"), "\\xff\\xc3");
	check_printable(slice_of(""), "");
}

static void test_base64(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xff\xfe\xfd", "//79" },
		{ "\xfb\xf0", "+/A=" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char got[16];

		*text_put_base64(got, slice_of(rows[i].text)) = '\0';
		assert_string_equal(got, rows[i].want);
	}
}

static void test_decode_base64(void **state)
{
	static const struct {
		struct slice text;
		int result;
		struct slice want;
	} rows[] = {
		{ { "", 0 }, 0, { "", 0 } },
		{ { "Zg==", 4 }, 0, { "f", 1 } },
		{ { "Zm8=", 4 }, 0, { "fo", 2 } },
		{ { "Zm9vYmFy", 8 }, 0, { "foobar", 6 } },
		{ { "//79", 4 }, 0, { "\xff\xfe\xfd", 3 } },
		{ { "+/A=", 4 }, 0, { "\xfb\xf0", 2 } },
		{ { "AA==", 4 }, 0, { "", 1 } },
		{ { "Zg=", 3 }, -EINVAL, { "", 0 } },
		{ { "Z===", 4 }, -EINVAL, { "", 0 } },
		{ { "====", 4 }, -EINVAL, { "", 0 } },
		{ { "Zg==Zg==", 8 }, -EINVAL, { "f", 0 } },
		{ { "Zh==", 4 }, -EINVAL, { "", 0 } },
		{ { "Zm9=", 4 }, -EINVAL, { "", 0 } },
		{ { "Zm-_", 4 }, -EINVAL, { "", 0 } },
		{ { "Zm9\0", 4 }, -EINVAL, { "", 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got = { 0 };

		assert_int_equal(text_decode_base64(&got, rows[i].text), rows[i].result);
		if (!rows[i].result)
			assert_true(slice_equal(buf_slice(&got), rows[i].want));
		buf_done(&got);
	}
}

static void test_distance(void **state)
{
	static const struct {
		const char *a, *b;
		size_t limit, want;
	} rows[] = {
		{ "", "", 2, 0 },
		{ "same", "same", 2, 0 },
		{ "max_atempts", "max_attempts", 2, 1 },
		{ "goup", "group", 2, 1 },
		{ "grop", "group", 2, 1 },
		{ "gruop", "group", 2, 1 }, /* neighbours swapped */
		{ "xgruop", "group", 2, 2 },
		{ "kitten", "sitting", 9, 3 },
		{ "kitten", "sitting", 2, 3 },
		{ "abc", "xyz", 1, 2 },
		{ "a", "abcdef", 2, 3 },
		{ "", "ab", 2, 2 },
	};
	char longer[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(text_distance(rows[i].a, rows[i].b, rows[i].limit), rows[i].want);
		assert_int_equal(text_distance(rows[i].b, rows[i].a, rows[i].limit), rows[i].want);
	}
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(text_distance(longer, longer, 2), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_printable),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_decode_base64),
		cmocka_unit_test(test_distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
