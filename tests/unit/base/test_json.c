/* SPDX-License-Identifier: MIT */
/* The string writer against a plain one that looks at one byte at a time. */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/rng.h"

/* Code point at s, its length in *ret_len; -1 when it is not well-formed. By decoding first and
 * asking afterwards, unlike the code under test. */
static long decode(const unsigned char *s, size_t len, size_t *ret_len)
{
	static const long smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80       ? 1
	           : s[0] >> 5 == 6  ? 2
	           : s[0] >> 4 == 14 ? 3
	           : s[0] >> 3 == 30 ? 4
	                             : 0;
	long c = n == 1 ? s[0] : s[0] & (0x7f >> n);

	if (!n || n > len)
		return -1;
	for (size_t i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return -1;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -1;
	*ret_len = n;
	return c;
}

/* The plain writer: length of the text in out, or -1. */
static long reference(const char *data, size_t len, char *out)
{
	static const char *const shorts[128] = { ['"'] = "\\\"",
		['\\'] = "\\\\",
		['\b'] = "\\b",
		['\f'] = "\\f",
		['\n'] = "\\n",
		['\r'] = "\\r",
		['\t'] = "\\t" };
	char *p = out;
	size_t n;

	*p++ = '"';
	for (size_t i = 0; i < len; i += n) {
		long c = decode((const unsigned char *)data + i, len - i, &n);

		if (c < 0)
			return -1;
		if (c < 0x80 && shorts[c])
			p += sprintf(p, "%s", shorts[c]);
		else if (c < 0x20)
			p += sprintf(p, "\\u%04lx", (unsigned long)c);
		else
			p = (char *)memcpy(p, data + i, n) + n;
	}
	*p++ = '"';
	return p - out;
}

/* Memory that ends where the text or the room for it ends, so that the sanitizer sees a step too
 * far. The input lies at the given alignment. */
static void check(const char *text, size_t len, size_t alignment)
{
	char *memory = malloc(alignment + len), *in = memory + alignment,
	     *expected = malloc(6 * len + 3);
	struct buf b = { .memory = malloc(6 * len + 3), .cap = 6 * len + 3 };
	long n;
	bool ok;

	memcpy(in, text, len);
	buf_append_char(&b, '>');
	n = reference(in, len, expected);
	ok = json_append_string(&b, (struct slice){ in, len });
	assert_int_equal(ok, n >= 0);
	assert_int_equal(buf_len(&b), 1 + (ok ? (size_t)n : 0));
	assert_int_equal(buf_data(&b)[0], '>');
	if (ok)
		assert_memory_equal(buf_data(&b) + 1, expected, (size_t)n);
	free(memory);
	free(expected);
	buf_done(&b);
}

static const size_t lengths[] = { 1, 2, 3, 15, 16, 17, 31, 32, 33, 48 };

static void test_every_byte_everywhere(void **unused)
{
	char text[64];

	(void)unused;
	for (size_t l = 0; l < ARRAY_LEN(lengths); l++) {
		for (size_t at = 0; at < lengths[l]; at++) {
			memset(text, 'a', sizeof(text));
			for (int c = 0; c < 256; c++) {
				text[at] = (char)c;
				check(text, lengths[l], (size_t)c % 16);
			}
		}
	}
}

static void test_every_alignment(void **unused)
{
	char text[64];

	(void)unused;
	memset(text, 'b', sizeof(text));
	for (size_t len = 0; len <= 50; len++) {
		for (size_t alignment = 0; alignment < 32; alignment++) {
			check(text, len, alignment);
			if (!len)
				continue;
			text[len - 1] = '\n';
			check(text, len, alignment);
			text[len - 1] = 'b';
		}
	}
}

static void test_every_pair_of_bytes(void **unused)
{
	char text[18];

	(void)unused;
	memset(text, 'c', sizeof(text));
	for (unsigned pair = 0; pair < 65536; pair++) {
		/* Across the border of the first sixteen. */
		text[15] = (char)(pair >> 8);
		text[16] = (char)pair;
		check(text, 17, 0);
		check(text + 15, 2, 0);
	}
}

static const struct {
	const char *bytes;
	bool valid;
} utf8[] = {
	{ "\x7f", true },
	{ "\xc2\x80", true },
	{ "\xdf\xbf", true },
	{ "\xe0\xa0\x80", true },
	{ "\xed\x9f\xbf", true },
	{ "\xee\x80\x80", true },
	{ "\xef\xbf\xbd", true },
	{ "\xef\xbf\xbf", true },
	{ "\xf0\x90\x80\x80", true },
	{ "\xf0\x9f\x98\x80", true },
	{ "\xf4\x8f\xbf\xbf", true },
	{ "\xe2\x80\xa8", true }, /* a line separator is no newline to a reader of lines */
	{ "\x80", false },
	{ "\xbf", false },
	{ "\xc0\x80", false }, /* overlong */
	{ "\xc1\xbf", false },
	{ "\xe0\x80\x80", false },
	{ "\xe0\x9f\xbf", false },
	{ "\xf0\x80\x80\x80", false },
	{ "\xf0\x8f\xbf\xbf", false },
	{ "\xed\xa0\x80", false }, /* surrogates */
	{ "\xed\xbf\xbf", false },
	{ "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
	{ "\xf5\x80\x80\x80", false },
	{ "\xf8\x88\x80\x80\x80", false },
	{ "\xfe", false },
	{ "\xff", false },
	{ "\xc2", false }, /* cut off */
	{ "\xe2\x82", false },
	{ "\xf0\x9f\x98", false },
	{ "\xc2\x41", false }, /* broken off */
	{ "\xe2\x82\x41", false },
	{ "\xe2\x28\xa1", false },
	{ "\xf0\x9f\x41\x80", false },
	{ "\xc3\xa9\x80", false },
};

static void test_utf8_at_every_offset(void **unused)
{
	char text[96];

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(utf8); i++) {
		for (size_t before = 0; before < 34; before++) {
			for (size_t after = 0; after < 18; after++) {
				size_t n = strlen(utf8[i].bytes), len = before + n + after;
				struct buf b = { 0 };

				memset(text, 'd', sizeof(text));
				memcpy(text + before, utf8[i].bytes, n);
				check(text, len, after);
				assert_int_equal(json_append_string(&b,
				                     (struct slice){ text, len }),
				    utf8[i].valid);
				buf_done(&b);
			}
		}
	}
}

/* Pieces that make most strings interesting. */
static const char *const pieces[] = { "\"", "\\", "\n", "\x01", "a", "0123456789abcdef", "\xc3\xa9",
	"\xe2\x82\xac", "\xf0\x9f\x98\x80", "\x7f", "plain text", " ", "\x80", "\xe2\x82" };

static void test_random_strings(void **unused)
{
	struct rng r = { 17 };

	(void)unused;
	for (int round = 0; round < 60000; round++) {
		struct buf text = { 0 };
		/* Every other round without the ill-formed ones, which would end most strings. */
		size_t kinds = ARRAY_LEN(pieces) - (round % 2 ? 2 : 0);

		for (uint64_t n = rng_between(&r, 0, 12); n; n--)
			buf_append_text(&text, pieces[rng_between(&r, 0, kinds - 1)]);
		if (buf_len(&text))
			check(buf_data(&text), buf_len(&text), round % 16);
		buf_done(&text);
	}
}

static const struct {
	struct slice in;
	const char *out;
} lossy[] = {
	{ { NULL, 0 }, "\"\"" },
	{ { "", 0 }, "\"\"" },
	{ { "plain", 5 }, "\"plain\"" },
	{ { "a\0b", 3 }, "\"a\\u0000b\"" },
	{ { "\xff", 1 }, "\"\xef\xbf\xbd\"" },
	{ { "a\xff\"b", 4 }, "\"a\xef\xbf\xbd\\\"b\"" },
	{ { "\xe2\x82", 2 }, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ { "\xe2\x82\xac\x80", 4 }, "\"\xe2\x82\xac\xef\xbf\xbd\"" },
	{ { "\xed\xa0\x80", 3 }, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	{ { "tab\t\xc3\xa9\xc3", 7 }, "\"tab\\t\xc3\xa9\xef\xbf\xbd\"" },
};

static void test_lossy(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(lossy); i++) {
		struct buf b = { 0 };
		char *text;

		json_append_lossy(&b, lossy[i].in);
		text = buf_take_text(&b);
		assert_string_equal(text, lossy[i].out);
		free(text);
	}
}

static const uint64_t numbers[] = { 0, 1, 9, 10, 99, 100, 4294967295u, 4294967296u,
	9999999999999999999u, 10000000000000000000u, UINT64_MAX };

static void test_u64(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		struct buf b = { 0 };
		char expected[24], *text;

		snprintf(expected, sizeof(expected), "%llu", (unsigned long long)numbers[i]);
		json_append_u64(&b, numbers[i]);
		text = buf_take_text(&b);
		assert_string_equal(text, expected);
		free(text);
	}
}

static void empty_object(struct json *j)
{
	json_object_begin(j);
	json_object_end(j);
}

static void write_scalar(struct json *j)
{
	json_text(j, "a\"b");
}

static void write_flat(struct json *j)
{
	json_object_begin(j);
	json_key(j, "a");
	json_u64(j, UINT64_MAX);
	json_key(j, "b\n");
	json_bool(j, true);
	json_key(j, "");
	json_null(j);
	json_object_end(j);
}

static void write_nested(struct json *j)
{
	json_array_begin(j);
	json_array_begin(j);
	json_array_end(j);
	empty_object(j);
	json_object_begin(j);
	json_key(j, "k");
	json_array_begin(j);
	json_bool(j, false);
	json_u64(j, 0);
	json_array_end(j);
	json_key(j, "o");
	empty_object(j);
	json_key(j, "t");
	json_text(j, "\xff");
	json_object_end(j);
	json_null(j);
	json_array_end(j);
}

static const struct {
	void (*write)(struct json *j);
	const char *compact, *pretty;
} documents[] = {
	{ empty_object, "{}", "{}" },
	{ write_scalar, "\"a\\\"b\"", "\"a\\\"b\"" },
	{ write_flat, "{\"a\":18446744073709551615,\"b\\n\":true,\"\":null}",
	    "{\n  \"a\": 18446744073709551615,\n  \"b\\n\": true,\n  \"\": null\n}" },
	{ write_nested, "[[],{},{\"k\":[false,0],\"o\":{},\"t\":\"\xef\xbf\xbd\"},null]",
	    "[\n  [],\n  {},\n  {\n    \"k\": [\n      false,\n      0\n    ],\n    \"o\": {},\n"
	    "    \"t\": \"\xef\xbf\xbd\"\n  },\n  null\n]" },
};

static void test_documents(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2 * ARRAY_LEN(documents); i++) {
		struct buf b = { 0 };
		struct json j = { .to = &b, .pretty = i % 2 };
		char *text;

		documents[i / 2].write(&j);
		assert_int_equal(j.depth, 0);
		text = buf_take_text(&b);
		assert_string_equal(text,
		    j.pretty ? documents[i / 2].pretty : documents[i / 2].compact);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte_everywhere),
		cmocka_unit_test(test_every_alignment),
		cmocka_unit_test(test_every_pair_of_bytes),
		cmocka_unit_test(test_utf8_at_every_offset),
		cmocka_unit_test(test_random_strings),
		cmocka_unit_test(test_lossy),
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
