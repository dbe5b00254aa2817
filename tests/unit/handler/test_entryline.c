/* SPDX-License-Identifier: MIT */
/* The entry's line, byte by byte. */
#include "handler/entryline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "core/origin.h"
#include "handler/fieldsjson.h"

#define S(text)                                                                                    \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

static char *json_of(const struct slice *slices, size_t n_slices)
{
	struct fields f = { .n_pairs = (uint32_t)(n_slices / 2), .slices = slices };
	struct buf b = { 0 };

	fieldsjson_append(&b, &f);
	return buf_take_text(&b);
}

enum { MOST = 10 };

static const struct {
	struct slice slices[MOST];
	size_t n;
	const char *json;
} payloads[] = {
	{ { { NULL, 0 } }, 0, ",\"fields\":{}" },
	{ { S("type"), S("order.placed"), S("order_id"), S("o-1234") }, 4,
	    ",\"fields\":{\"type\":\"order.placed\",\"order_id\":\"o-1234\"}" },
	{ { S(""), S("") }, 2, ",\"fields\":{\"\":\"\"}" },
	{ { S("a\"\\b"), S("\n\t\x01\x1f") }, 2,
	    ",\"fields\":{\"a\\\"\\\\b\":\"\\n\\t\\u0001\\u001f\"}" },
	{ { S("n\0l"), S("v\0v") }, 2, ",\"fields\":{\"n\\u0000l\":\"v\\u0000v\"}" },
	{ { S("\xc3\xa9"), S("\xf0\x9f\x98\x80") }, 2,
	    ",\"fields\":{\"\xc3\xa9\":\"\xf0\x9f\x98\x80\"}" },
	{ { S("a"), S("\xff\xfe") }, 2, ",\"fields\":{\"a\":{\"base64\":\"//4=\"}}" },
	{ { S("a"), S("1"), S("b"), S("2"), S("a"), S("3"), S("a"), S("\xff") }, 8,
	    ",\"fields\":{\"a\":[\"1\",\"3\",{\"base64\":\"/w==\"}],\"b\":\"2\"}" },
	{ { S("x"), S("0"), S("a"), S("1"), S("b"), S("2"), S("a"), S("3"), S("b"), S("4") }, 10,
	    ",\"fields\":{\"x\":\"0\",\"a\":[\"1\",\"3\"],\"b\":[\"2\",\"4\"]}" },
	{ { S(""), S("1"), S(""), S("2") }, 4, ",\"fields\":{\"\":[\"1\",\"2\"]}" },
	{ { S("a"), S("1"), S("\xff"), S("2") }, 4,
	    ",\"pairs\":[[\"a\",\"1\"],[{\"base64\":\"/w==\"},\"2\"]]" },
	{ { S("a"), S("1"), S("a"), S("\xfe"), S("\xff"), S("2") }, 6,
	    ",\"pairs\":[[\"a\",\"1\"],[\"a\",{\"base64\":\"/g==\"}],"
	    "[{\"base64\":\"/w==\"},\"2\"]]" },
};

static void test_payloads(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		char *json = json_of(payloads[i].slices, payloads[i].n);

		assert_string_equal(json, payloads[i].json);
		free(json);
	}
}

/* Bytes that take the most room in one form or another: the bound of fieldsjson.c asserts. */
static void test_longest_forms(void **state)
{
	static const char bytes[] = "\x01\xff\xc3\"x";
	struct slice slices[2 * 5];
	char text[5][8];

	(void)state;
	for (size_t len = 0; len <= sizeof(text[0]); len++) {
		for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
			memset(text[i % 5], bytes[i % 5], sizeof(text[0]));
			slices[i] = (struct slice){ text[i % 5], len };
		}
		for (size_t from = 0; from < ARRAY_LEN(slices); from += 2)
			for (size_t n = 2; from + n <= ARRAY_LEN(slices); n += 2)
				free(json_of(slices + from, n));
	}
}

/* n fields "f0" … with the values "0" …; the last one is called `last` if that is not NULL. */
static char *json_of_many(size_t n, const char *last)
{
	struct slice *slices = xcalloc(2 * n, sizeof(*slices));
	char(*texts)[32] = xcalloc(n, sizeof(*texts)), *json;

	for (size_t i = 0; i < n; i++) {
		snprintf(texts[i], sizeof(texts[i]), "f%zu", i);
		slices[2 * i] = slice_of(texts[i]);
		slices[2 * i + 1] = slice_of(texts[i] + 1);
	}
	if (last)
		slices[2 * n - 2] = slice_of(last);
	json = json_of(slices, 2 * n);
	free(slices);
	free(texts);
	return json;
}

static char *expected_of_many(size_t n, const char *first_value)
{
	struct buf b = { 0 };

	buf_printf(&b, ",\"fields\":{\"f0\":%s", first_value);
	for (size_t i = 1; i < n; i++)
		buf_printf(&b, ",\"f%zu\":\"%zu\"", i, i);
	buf_append_char(&b, '}');
	return buf_take_text(&b);
}

static void test_many_fields(void **state)
{
	static const size_t counts[] = { 2, 16, 63, 64, 65, 66, 1000, 20000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		size_t n = counts[i];
		char *got = json_of_many(n, NULL), *expected = expected_of_many(n, "\"0\"");

		assert_string_equal(got, expected);
		free(got);
		free(expected);
	}
}

static void test_one_name_again_among_many(void **state)
{
	static const size_t counts[] = { 2, 16, 64, 65, 1000, 20000 };
	char first[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		size_t n = counts[i];
		char *got = json_of_many(n, "f0"), *expected;

		snprintf(first, sizeof(first), "[\"0\",\"%zu\"]", n - 1);
		expected = expected_of_many(n - 1, first);
		assert_string_equal(got, expected);
		free(got);
		free(expected);
	}
}

/* Names that differ in one byte only, wherever it is, are different. */
static void test_names_that_are_alike(void **state)
{
	char names[2][40];

	(void)state;
	for (size_t len = 1; len < sizeof(names[0]); len++) {
		for (size_t at = 0; at < len; at++) {
			struct slice slices[4] = { { names[0], len }, S("1"), { names[1], len },
				S("2") };
			char *json;

			memset(names, 'n', sizeof(names));
			names[1][at] = 'm';
			json = json_of(slices, 4);
			assert_null(strchr(json, '['));
			free(json);
			names[1][at] = 'n';
			json = json_of(slices, 4);
			assert_non_null(strstr(json, "[\"1\",\"2\"]"));
			free(json);
		}
	}
}

/* --- whole lines ------------------------------------------------------------------------------ */

static const struct slice example[] = { S("type"), S("order.placed"), S("order_id"), S("o-1234") };
static const struct fields example_fields = { .n_pairs = 2, .slices = example };

static struct origin make_origin(void)
{
	struct origin o = { 0 };

	o.json = origin_json_new("orders", "notifications", "web1.default.mailer", &o.json_len);
	return o;
}

static struct entry example_entry(const struct origin *origin)
{
	struct entry e = { .origin = origin, .id = { 1717200000000, 0 }, .attempts = 1, .tag = 17 };

	return e;
}

#define HEAD                                                                                       \
	"{\"tag\":17,\"stream\":\"orders\",\"group\":\"notifications\","                           \
	"\"consumer\":\"web1.default.mailer\",\"id\":\"1717200000000-0\",\"attempt\":1,"           \
	"\"max_attempts\":5,\"deadline_ms\":1717200030000,"
#define FIELDS "\"fields\":{\"type\":\"order.placed\",\"order_id\":\"o-1234\"}}\n"

static void test_example_of_the_protocol(void **state)
{
	struct origin origin = make_origin();
	struct entry e = example_entry(&origin);
	struct entryline l;
	struct buf b = { 0 };
	char *line;

	(void)state;
	entryline_init(&l, 5, false);
	entryline_set_deadline(&l, 1717200030000);
	entryline_append(&l, &b, &e, &example_fields);
	line = buf_take_text(&b);
	assert_string_equal(line, HEAD "\"more\":false," FIELDS);
	free(line);
	free(origin.json);
}

static void test_recovered(void **state)
{
	struct origin origin = make_origin();
	struct entry e = example_entry(&origin);
	struct entryline l;
	struct buf b = { 0 };
	char *line;

	(void)state;
	entryline_init(&l, 5, false);
	entryline_set_deadline(&l, 1717200030000);
	e.source = SOURCE_CLAIMED;
	entryline_append(&l, &b, &e, &example_fields);
	e.source = SOURCE_RECOVERED;
	entryline_append(&l, &b, &e, &example_fields);
	line = buf_take_text(&b);
	assert_string_equal(line, HEAD "\"more\":false,\"recovered\":true," FIELDS HEAD
	                               "\"more\":false,\"recovered\":true," FIELDS);
	free(line);
	free(origin.json);
}

static void test_more(void **state)
{
	struct origin origin = make_origin();
	struct entry e = example_entry(&origin);
	struct entryline l;
	struct buf b = { 0 };
	size_t after_more = 0;
	char *text;

	(void)state;
	entryline_init(&l, 5, true);
	entryline_set_deadline(&l, 1717200030000);
	for (int i = 0; i < 3; i++)
		after_more = entryline_append(&l, &b, &e, &example_fields);
	entryline_last(&b, after_more);
	text = buf_take_text(&b);
	assert_string_equal(text, HEAD "\"more\":true," FIELDS HEAD "\"more\":true," FIELDS HEAD
	                               "\"more\":false," FIELDS);
	free(text);
	free(origin.json);
}

/* A value that says so itself is not the flag. */
static void test_more_in_the_payload(void **state)
{
	static const struct slice tricky[] = { S("more\":true"), S("\"more\":true,") };
	struct fields f = { .n_pairs = 1, .slices = tricky };
	struct origin origin = make_origin();
	struct entry e = example_entry(&origin);
	struct entryline l;
	struct buf b = { 0 };
	char *text;

	(void)state;
	entryline_init(&l, 5, true);
	entryline_set_deadline(&l, 1717200030000);
	e.source = SOURCE_CLAIMED;
	entryline_last(&b, entryline_append(&l, &b, &e, &f));
	text = buf_take_text(&b);
	assert_string_equal(text, HEAD "\"more\":false,\"recovered\":true,\"fields\":"
	                               "{\"more\\\":true\":\"\\\"more\\\":true,\"}}\n");
	free(text);
	free(origin.json);
}

static void test_largest_numbers(void **state)
{
	struct origin origin = make_origin();
	struct entry e = { .origin = &origin, .id = { UINT64_MAX, UINT64_MAX } };
	struct entryline l;
	struct buf b = { 0 };
	char *line;

	(void)state;
	e.tag = UINT64_MAX;
	e.attempts = UINT32_MAX;
	entryline_init(&l, UINT64_MAX, true);
	entryline_set_deadline(&l, UINT64_MAX);
	entryline_append(&l, &b, &e, &(struct fields){ 0 });
	line = buf_take_text(&b);
	assert_string_equal(line,
	    "{\"tag\":18446744073709551615,\"stream\":\"orders\",\"group\":\"notifications\","
	    "\"consumer\":\"web1.default.mailer\",\"id\":\"18446744073709551615-"
	    "18446744073709551615\",\"attempt\":4294967295,\"max_attempts\":18446744073709551615,"
	    "\"deadline_ms\":18446744073709551615,\"more\":true,\"fields\":{}}\n");
	free(line);
	free(origin.json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_payloads),
		cmocka_unit_test(test_longest_forms),
		cmocka_unit_test(test_many_fields),
		cmocka_unit_test(test_one_name_again_among_many),
		cmocka_unit_test(test_names_that_are_alike),
		cmocka_unit_test(test_example_of_the_protocol),
		cmocka_unit_test(test_recovered),
		cmocka_unit_test(test_more),
		cmocka_unit_test(test_more_in_the_payload),
		cmocka_unit_test(test_largest_numbers),
	};

	return cmocka_run_group_tests_name("entryline", tests, NULL, NULL);
}
