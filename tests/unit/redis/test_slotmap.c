/* SPDX-License-Identifier: MIT */
/* CLUSTER SLOTS, MOVED and ASK as servers write them, also those that do not know their own name;
 * endpoints as text. */
#include "redis/slotmap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal)                                                                              \
	{                                                                                          \
		.type = REPLY_TEXT, .text = { literal, sizeof(literal) - 1 }                       \
	}
#define NUMBER(n)                                                                                  \
	{                                                                                          \
		.type = REPLY_INTEGER, .integer = (n)                                              \
	}
#define NIL                                                                                        \
	{                                                                                          \
		.type = REPLY_NIL                                                                  \
	}
#define LIST(n, ...)                                                                               \
	{                                                                                          \
		.type = REPLY_ARRAY, .array = {(struct reply[]){ __VA_ARGS__ }, (n) }              \
	}

static const struct endpoint asked = { .host = "10.0.0.9", .port = 7000 };

static void test_ranges(void **unused)
{
	struct reply slots = LIST(3,
	    LIST(4, NUMBER(0), NUMBER(99), LIST(3, TEXT("10.0.0.1"), NUMBER(6379), TEXT("id")),
	        LIST(2, TEXT("10.0.0.2"), NUMBER(6380))),
	    LIST(3, NUMBER(100), NUMBER(100), LIST(2, NIL, NUMBER(6381))),
	    LIST(3, NUMBER(101), NUMBER(16383), LIST(2, TEXT("node.example"), NUMBER(6382))));
	struct slot_range r;

	(void)unused;
	assert_int_equal(slotmap_range(&slots, 0, &asked, &r), 0);
	assert_int_equal(r.first, 0);
	assert_int_equal(r.last, 99);
	assert_string_equal(r.primary.host, "10.0.0.1");
	assert_int_equal(r.primary.port, 6379);
	assert_int_equal(slotmap_range(&slots, 1, &asked, &r), 0);
	assert_string_equal(r.primary.host, "10.0.0.9");
	assert_int_equal(r.primary.port, 6381);
	assert_int_equal(slotmap_range(&slots, 2, &asked, &r), 0);
	assert_string_equal(r.primary.host, "node.example");
	assert_int_equal(slotmap_range(&slots, 3, &asked, &r), -EPROTO);
}

static void test_ranges_that_are_none(void **unused)
{
	struct reply slots = LIST(6, LIST(3, NUMBER(5), NUMBER(4), LIST(2, TEXT("a"), NUMBER(1))),
	    LIST(3, NUMBER(0), NUMBER(16384), LIST(2, TEXT("a"), NUMBER(1))),
	    LIST(3, NUMBER(-1), NUMBER(4), LIST(2, TEXT("a"), NUMBER(1))),
	    LIST(3, NUMBER(0), NUMBER(4), LIST(2, TEXT("a"), NUMBER(65536))),
	    LIST(2, NUMBER(0), NUMBER(4)), TEXT("row"));
	struct slot_range r;

	(void)unused;
	for (size_t i = 0; i < reply_len(&slots); i++)
		assert_int_equal(slotmap_range(&slots, i, &asked, &r), -EPROTO);
}

static void test_replicas(void **unused)
{
	struct reply slots = LIST(2,
	    LIST(6, NUMBER(0), NUMBER(9), LIST(2, TEXT("10.0.0.1"), NUMBER(6379)),
	        LIST(3, TEXT("10.0.0.2"), NUMBER(6380), TEXT("id")), LIST(1, TEXT("10.0.0.3")),
	        LIST(2, NIL, NUMBER(6382))),
	    TEXT("row"));
	struct endpoint at;

	(void)unused;
	assert_int_equal(slotmap_replica(&slots, 0, 0, &asked, &at), 0);
	assert_string_equal(at.host, "10.0.0.2");
	assert_int_equal(at.port, 6380);
	assert_int_equal(slotmap_replica(&slots, 0, 1, &asked, &at), -EPROTO);
	assert_int_equal(slotmap_replica(&slots, 0, 2, &asked, &at), 0);
	assert_string_equal(at.host, "10.0.0.9");
	assert_int_equal(slotmap_replica(&slots, 0, 3, &asked, &at), -ENOENT);
	assert_int_equal(slotmap_replica(&slots, 1, 0, &asked, &at), -ENOENT);
}

static void test_redirects(void **unused)
{
	static const struct {
		const char *text;
		enum redirect_kind kind;
		uint16_t slot;
		const char *host;
		uint16_t port;
	} cases[] = {
		{ "MOVED 105 127.0.0.1:7402", REDIRECT_MOVED, 105, "127.0.0.1", 7402 },
		{ "ASK 16383 ::1:7402", REDIRECT_ASK, 16383, "::1", 7402 },
		{ "MOVED 0 node.example:1", REDIRECT_MOVED, 0, "node.example", 1 },
		{ "MOVED 3999 :6381", REDIRECT_MOVED, 3999, "10.0.0.9", 6381 },
	};
	struct redirect r;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(slotmap_redirect(slice_of(cases[i].text), &asked, &r), 0);
		assert_int_equal(r.kind, cases[i].kind);
		assert_int_equal(r.slot, cases[i].slot);
		assert_string_equal(r.to.host, cases[i].host);
		assert_int_equal(r.to.port, cases[i].port);
	}
}

static void test_texts_that_are_no_redirects(void **unused)
{
	static const char *const texts[] = { "", "MOVED", "MOVED 1", "MOVED x 127.0.0.1:1",
		"MOVED 16384 127.0.0.1:1", "MOVED 1 127.0.0.1", "MOVED 1 127.0.0.1:0",
		"MOVED 1 :65536", "MOVED 1 127.0.0.1:65536", "ERR MOVED 1 127.0.0.1:1",
		"MOVED 1 :0" };
	struct redirect r;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_not_equal(slotmap_redirect(slice_of(texts[i]), &asked, &r), 0);
}

static void test_endpoints(void **unused)
{
	static const struct {
		const char *text, *host, *shown;
	} cases[] = {
		{ "localhost:6379", "localhost", "localhost:6379" },
		{ "[::1]:6379", "::1", "[::1]:6379" },
		{ "fe80::1:6379", "fe80::1", "[fe80::1]:6379" },
	};
	struct endpoint e;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(endpoint_parse(slice_of(cases[i].text), &e), 0);
		assert_string_equal(e.host, cases[i].host);
		assert_string_equal(endpoint_text(&e).text, cases[i].shown);
	}
	assert_int_equal(endpoint_parse(slice_of(":1"), &e), -EINVAL);
	assert_int_equal(endpoint_parse(slice_of("a:01"), &e), -EINVAL);
	assert_int_equal(endpoint_parse((struct slice){ "a\0b:1", 5 }, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_ranges_that_are_none),
		cmocka_unit_test(test_replicas),
		cmocka_unit_test(test_redirects),
		cmocka_unit_test(test_texts_that_are_no_redirects),
		cmocka_unit_test(test_endpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
