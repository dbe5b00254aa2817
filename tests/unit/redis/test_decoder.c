/* SPDX-License-Identifier: MIT */
/* Replies in, whole or in pieces of any size, and what a server must not send. */
#include "redis/decoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"

/* A reply as text: :1 "te\x00xt" +OK -ERR nil [a b]. */
static void describe(struct buf *to, const struct reply *r)
{
	static const char
	    marks[] = { [REPLY_STATUS] = '+', [REPLY_ERROR] = '-', [REPLY_TEXT] = '$' };

	switch (r->type) {
	case REPLY_NIL:
		buf_append_text(to, "nil");
		return;
	case REPLY_INTEGER:
		buf_printf(to, ":%lld", (long long)r->integer);
		return;
	case REPLY_ARRAY:
		buf_append_char(to, '[');
		for (size_t i = 0; i < r->array.len; i++) {
			buf_append(to, " ", i > 0);
			describe(to, &r->array.items[i]);
		}
		buf_append_char(to, ']');
		return;
	default:
		buf_append_char(to, marks[r->type]);
		for (size_t i = 0; i < r->text.len; i++)
			buf_printf(to, r->text.data[i] >= ' ' ? "%c" : "\\x%02x",
			    (unsigned char)r->text.data[i]);
	}
}

#define BYTES(literal) literal, sizeof(literal) - 1

static const struct {
	const char *bytes;
	size_t len;
	const char *replies;
} good[] = {
	{ BYTES("+OK\r\n"), "+OK" },
	{ BYTES("+\r\n"), "+" },
	{ BYTES("-ERR no\r\n"), "-ERR no" },
	{ BYTES("-\r\n"), "-" },
	{ BYTES(":0\r\n"), ":0" },
	{ BYTES(":-1\r\n"), ":-1" },
	{ BYTES(":9223372036854775807\r\n"), ":9223372036854775807" },
	{ BYTES(":-9223372036854775808\r\n"), ":-9223372036854775808" },
	{ BYTES("$0\r\n\r\n"), "$" },
	{ BYTES("$-1\r\n"), "nil" },
	{ BYTES("*-1\r\n"), "nil" },
	{ BYTES("*0\r\n"), "[]" },
	{ BYTES("$7\r\na\0\r\n\x01$1\r\n"), "$a\\x00\\x0d\\x0a\\x01$1" },
	{ BYTES("*2\r\n$-1\r\n*-1\r\n"), "[nil nil]" },
	{ BYTES("*3\r\n*0\r\n*1\r\n*0\r\n:1\r\n"), "[[] [[]] :1]" },
	{ BYTES("*3\r\n:1\r\n$1\r\na\r\n-E x\r\n"), "[:1 $a -E x]" },
	{ BYTES("+a\r\n+b\r\n*0\r\n:1\r\n"), "+a +b [] :1" },
	{ BYTES("*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n*"
	        "2\r\n$3\r\n"
	        "1-2\r\n*-1\r\n"),
	    "[[$s [[$1-1 [$k $v]] [$1-2 nil]]]]" },
	{ BYTES("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:7\r\n"), "[[[[[[[:7]]]]]]]" },
	{ BYTES("*1\r\n*2\r\n$1\r\ns\r\n*0\r\n:1\r\n"), "[[$s []]] :1" },
	{ BYTES("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*0\r\n+a\r\n"),
	    "[[$s [[$1-1 []]]]] +a" },
	/* What only begins as a reply with entries does. */
	{ BYTES("*1\r\n*2\r\n$1\r\ns\r\n:5\r\n"), "[[$s :5]]" },
	{ BYTES("*1\r\n*2\r\n$-1\r\n*-1\r\n"), "[[nil nil]]" },
	{ BYTES("*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n"), "[[$1-1 [$k $v]]]" },
	{ BYTES("*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n*"
	        "4\r\n$3\r\n1-2\r\n*0\r\n:7\r\n:8\r\n"),
	    "[[$s [[$1-1 [$k $v]] [$1-2 [] :7 :8]]]]" },
	{ BYTES("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nk\r\n$-1\r\n"),
	    "[[$s [[$1-1 [$k nil]]]]]" },
};

/* Gives the bytes in two pieces, takes the replies after each. */
static void decode_split(struct decoder *d, const char *bytes, size_t len, size_t at,
    struct buf *said)
{
	for (int piece = 0; piece < 2; piece++) {
		const struct reply *r;
		size_t from = piece ? at : 0, to = piece ? len : at;
		char *copy = malloc(to - from + 1);

		memcpy(copy, bytes + from, to - from);
		assert_int_equal(decoder_feed(d, copy, to - from), 0);
		free(copy);
		while (assert_int_equal(decoder_next(d, &r), 0), r) {
			buf_append(said, " ", buf_len(said) > 0);
			describe(said, r);
			decoder_release(d);
		}
	}
}

static void assert_said(struct buf *said, const char *expected)
{
	char *text = buf_take_text(said);

	assert_string_equal(text, expected);
	free(text);
}

static void test_split_everywhere(void **unused)
{
	struct decoder_cache cache = { 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct decoder *d = decoder_new(&cache);

		for (size_t at = 0; at <= good[i].len; at++) {
			struct buf said = { 0 };

			decode_split(d, good[i].bytes, good[i].len, at, &said);
			assert_said(&said, good[i].replies);
		}
		decoder_free(d);
	}
	decoder_cache_done(&cache);
}

static void test_byte_by_byte(void **unused)
{
	struct decoder_cache cache = { 0 };
	struct decoder *d = decoder_new(&cache);

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct buf said = { 0 };

		for (size_t at = 0; at < good[i].len; at++)
			decode_split(d, good[i].bytes + at, 1, 0, &said);
		assert_said(&said, good[i].replies);
	}
	decoder_free(d);
	decoder_cache_done(&cache);
}

static const struct {
	const char *bytes;
	size_t len;
} bad[] = {
	{ BYTES("garbage\r\n") },
	{ BYTES("\r\n") },
	{ BYTES("HTTP/1.1 400 Bad Request\r\n\r\n") },
	{ BYTES("\x15\x03\x01") }, /* TLS */
	{ BYTES("*2147483647\r\n") },
	{ BYTES("*2147483648\r\n") },
	{ BYTES("*4294967295\r\n") },
	{ BYTES("*9999999999999999999999\r\n") },
	{ BYTES("*-2\r\n") },
	{ BYTES("*-5\r\n") },
	{ BYTES("*x\r\n") },
	{ BYTES("*1x\r\n+a\r\n") },
	{ BYTES("*1\r\n*2147483647\r\n") },
	{ BYTES("$-2\r\n") },
	{ BYTES("$-5\r\n") },
	{ BYTES("$x\r\n") },
	{ BYTES("$18446744073709551615\r\n") },
	{ BYTES("$99999999999999999999999\r\n") },
	{ BYTES(":\r\n") },
	{ BYTES(":x\r\n") },
	{ BYTES(":1.5\r\n") },
	{ BYTES(":9223372036854775808\r\n") },
	{ BYTES("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:7\r\n") },
	/* RESP3, which we never ask for. */
	{ BYTES("%1\r\n+a\r\n+b\r\n") },
	{ BYTES("~1\r\n+a\r\n") },
	{ BYTES(">1\r\n+a\r\n") },
	{ BYTES("|1\r\n+a\r\n+b\r\n") },
	{ BYTES(",1.5\r\n") },
	{ BYTES("#t\r\n") },
	{ BYTES("*1\r\n#t\r\n") },
	{ BYTES("*1\r\n%1\r\n+a\r\n+b\r\n") },
};

static int decode_all(struct decoder *d, const char *bytes, size_t len)
{
	const struct reply *r;
	int error;

	if (decoder_feed(d, bytes, len))
		return -1;
	while (!(error = decoder_next(d, &r)) && r)
		decoder_release(d);
	return error;
}

static void test_refused(void **unused)
{
	struct decoder_cache cache = { 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		for (int after_good = 0; after_good < 2; after_good++) {
			struct decoder *d = decoder_new(&cache);

			if (after_good)
				assert_int_equal(decode_all(d, "*1\r\n+x\r\n", 8), 0);
			if (decode_all(d, bad[i].bytes, bad[i].len) == 0)
				fail_msg("taken: %s", bad[i].bytes);
			decoder_free(d);
		}
	}
	decoder_cache_done(&cache);
}

/* A count alone must not make us take memory for what may never come. */
static void test_huge_counts_cost_nothing(void **unused)
{
	static const char *const claims[] = { "*2147483647\r\n", "*100000000\r\n", "*4194305\r\n",
		"*1\r\n*1\r\n*50000000\r\n", "$536870912\r\n" };
	struct decoder_cache cache = { 0 };
	struct rusage before, after;

	(void)unused;
	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < ARRAY_LEN(claims); i++) {
		struct decoder *d = decoder_new(&cache);

		(void)!decode_all(d, claims[i], strlen(claims[i]));
		decoder_free(d);
	}
	getrusage(RUSAGE_SELF, &after);
	assert_true(after.ru_maxrss - before.ru_maxrss < 8 * 1024);
	decoder_cache_done(&cache);
}

/* Freed in the middle of a reply. */
static void test_left_unfinished(void **unused)
{
	struct decoder_cache cache = { 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		for (size_t len = 0; len < good[i].len; len++) {
			struct decoder *d = decoder_new(&cache);

			assert_int_equal(decode_all(d, good[i].bytes, len), 0);
			decoder_free(d);
		}
	}
	decoder_free(NULL);
	decoder_cache_done(&cache);
}

static void append_random(struct buf *bytes, struct buf *text, struct rng *r, int depth)
{
	uint64_t len = rng_between(r, 0, rng_between(r, 0, 50) ? 40 : 300000);

	switch (rng_between(r, 0, depth < 6 ? 4 : 3)) {
	case 0:
		buf_printf(bytes, ":%llu\r\n", (unsigned long long)len);
		buf_printf(text, ":%llu", (unsigned long long)len);
		return;
	case 1:
		buf_append_text(bytes, "$-1\r\n");
		buf_append_text(text, "nil");
		return;
	case 2:
	case 3:
		buf_printf(bytes, "$%llu\r\n", (unsigned long long)len);
		buf_append_char(text, '$');
		for (uint64_t i = 0; i < len; i++) {
			buf_append_char(bytes, (char)('a' + len % 26));
			buf_append_char(text, (char)('a' + len % 26));
		}
		buf_append_text(bytes, "\r\n");
		return;
	default:
		len %= 12;
		buf_printf(bytes, "*%llu\r\n", (unsigned long long)len);
		buf_append_char(text, '[');
		for (uint64_t i = 0; i < len; i++) {
			buf_append(text, " ", i > 0);
			append_random(bytes, text, r, depth + 1);
		}
		buf_append_char(text, ']');
	}
}

static void append_text(struct buf *bytes, struct buf *text, uint64_t len)
{
	buf_printf(bytes, "$%llu\r\n", (unsigned long long)len);
	buf_append_char(text, '$');
	for (uint64_t i = 0; i < len; i++) {
		buf_append_char(bytes, (char)('a' + (len + i) % 26));
		buf_append_char(text, (char)('a' + (len + i) % 26));
	}
	buf_append_text(bytes, "\r\n");
}

static void append_entry(struct buf *bytes, struct buf *text, struct rng *r)
{
	uint64_t n = 2 * rng_between(r, 0, 6);

	buf_append_text(bytes, "*2\r\n");
	append_text(bytes, text, rng_between(r, 3, 20));
	if (!n) {
		buf_append_text(bytes, "*-1\r\n");
		buf_append_text(text, " nil");
		return;
	}
	buf_printf(bytes, "*%llu\r\n", (unsigned long long)n);
	buf_append_text(text, " [");
	for (uint64_t i = 0; i < n; i++) {
		buf_append(text, " ", i > 0);
		append_text(bytes, text, rng_between(r, 0, rng_between(r, 0, 99) ? 30 : 200000));
	}
	buf_append_char(text, ']');
}

static void append_entries(struct buf *bytes, struct buf *text, struct rng *r)
{
	uint64_t n = rng_between(r, 0, 9);

	buf_append_text(bytes, "*1\r\n*2\r\n");
	buf_append_text(text, "[[");
	append_text(bytes, text, rng_between(r, 1, 20));
	buf_printf(bytes, "*%llu\r\n", (unsigned long long)n);
	buf_append_text(text, " [");
	for (uint64_t i = 0; i < n; i++) {
		buf_append_text(text, i ? " [" : "[");
		append_entry(bytes, text, r);
		buf_append_char(text, ']');
	}
	buf_append_text(text, "]]]");
}

static void test_random_in_random_pieces(void **unused)
{
	struct decoder_cache cache = { 0 };
	struct rng r = { 31 };

	(void)unused;
	for (int round = 0; round < 150; round++) {
		struct decoder *d = decoder_new(&cache);
		struct buf bytes = { 0 }, text = { 0 }, said = { 0 };

		for (int n = 0; n < 4; n++) {
			buf_append(&text, " ", n > 0);
			if (rng_between(&r, 0, 1))
				append_random(&bytes, &text, &r, 0);
			else
				append_entries(&bytes, &text, &r);
		}
		while (buf_len(&bytes)) {
			size_t len = rng_between(&r, 1, buf_len(&bytes));

			decode_split(d, buf_data(&bytes), len, rng_between(&r, 0, len), &said);
			buf_consume(&bytes, len);
		}
		assert_int_equal(buf_len(&said), buf_len(&text));
		assert_memory_equal(buf_data(&said), buf_data(&text), buf_len(&text));
		buf_done(&bytes);
		buf_done(&text);
		buf_done(&said);
		decoder_free(d);
	}
	decoder_cache_done(&cache);
}

static void feed(struct decoder *d, const char *bytes, struct buf *said)
{
	decode_split(d, bytes, strlen(bytes), 0, said);
}

/* Each has a reply in part while the other goes on, of either kind. */
static void test_two_share_memory(void **unused)
{
	struct decoder_cache cache = { 0 };
	struct decoder *a = decoder_new(&cache), *b = decoder_new(&cache);
	struct buf said = { 0 };

	(void)unused;
	feed(a, "+one\r\n$5\r\nfi", &said);
	assert_null(cache.reader);
	feed(b, "$3\r\nsi", &said);
	feed(a, "rst\r\n*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1", &said);
	assert_non_null(cache.reader);
	feed(b, "x\r\n:7\r\n", &said);
	feed(a, "\r\n*0\r\n", &said);
	assert_said(&said, "+one $first $six :7 [[$s [[$1-1 []]]]]");
	/* What is quiet holds nothing. */
	assert_non_null(cache.reader);
	assert_non_null(cache.in.memory);
	decoder_free(a);
	decoder_free(b);
	decoder_cache_done(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_huge_counts_cost_nothing),
		cmocka_unit_test(test_split_everywhere),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_left_unfinished),
		cmocka_unit_test(test_two_share_memory),
		cmocka_unit_test(test_random_in_random_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
