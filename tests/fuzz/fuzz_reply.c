/* SPDX-License-Identifier: MIT */
/*
 * Bytes from a server, as one piece and in pieces: both ways must give the same replies, every byte
 * of which can be read. And the entries of a stream, which are decoded in place, must be what
 * hiredis makes of them, which gets them when they are the item of an array. The first byte of the
 * input is the size of the pieces.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "redis/decoder.h"
#include "redis/entryscan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 64 * 1024, ITEMS_MAX = 4096 };

static void read_all(struct buf *to, const struct reply *r)
{
	struct slice text = reply_text(r);

	buf_printf(to, "%d %lld %zu ", r->type, (long long)reply_integer(r), reply_len(r));
	buf_append(to, text.data, text.len);
	for (size_t i = 0; i < reply_len(r); i++)
		read_all(to, reply_at(r, i));
}

static void interpret(const struct reply *r)
{
	struct entryid id;
	const struct reply *fields;
	struct pending_row row;

	for (size_t i = 0; i < reply_len(reply_read_entries(r)); i++)
		(void)!reply_entry(reply_at(reply_read_entries(r), i), &id, &fields);
	for (size_t i = 0; i < reply_len(r); i++)
		(void)!reply_pending_row(reply_at(r, i), &row);
	if (reply_is_error(r) && !redis_error_word(redis_error_class(reply_text(r))))
		abort();
}

/* 0, or what the decoder ended with. */
static int decode(const char *bytes, size_t len, size_t piece, struct buf *said)
{
	struct decoder_cache cache = { 0 };
	struct decoder *d = decoder_new(&cache);
	int error = 0;

	for (size_t at = 0; at < len && !error; at += piece) {
		const struct reply *r = NULL;

		error = decoder_feed(d, bytes + at, len - at < piece ? len - at : piece);
		while (!error && !(error = decoder_next(d, &r)) && r) {
			read_all(said, r);
			interpret(r);
			decoder_release(d);
		}
	}
	decoder_free(d);
	decoder_cache_done(&cache);
	return error;
}

/* Large counts are allowed, and cost so much memory that the fuzzer would look at nothing else. */
static int claims_too_much(const char *bytes, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		size_t n = 0;

		if (bytes[i] != '*')
			continue;
		for (size_t p = i + 1; p < len && bytes[p] >= '0' && bytes[p] <= '9'; p++) {
			n = n * 10 + (size_t)(bytes[p] - '0');
			if (n > ITEMS_MAX)
				return 1;
		}
	}
	return 0;
}

/* False when there is none, or none that is whole. */
static int read_first(const char *bytes, size_t len, int is_wrapped, struct buf *said)
{
	struct decoder_cache cache = { 0 };
	struct decoder *d = decoder_new(&cache);
	const struct reply *r = NULL;
	int is_there = (!is_wrapped || decoder_feed(d, "*1\r\n", 4) == 0) &&
	               decoder_feed(d, bytes, len) == 0 && decoder_next(d, &r) == 0 && r;

	if (is_there)
		read_all(said, is_wrapped ? reply_at(r, 0) : r);
	decoder_free(d);
	decoder_cache_done(&cache);
	return is_there;
}

/* Entries alone: hiredis takes arrays of a certain depth only. */
static void compare_with_hiredis(const char *bytes, size_t len)
{
	struct buf in_place = { 0 }, by_hiredis = { 0 };

	if (entryscan_fits((struct slice){ bytes, len }) && read_first(bytes, len, 0, &in_place) &&
	    read_first(bytes, len, 1, &by_hiredis) &&
	    !slice_equal(buf_slice(&in_place), buf_slice(&by_hiredis)))
		abort();
	buf_done(&in_place);
	buf_done(&by_hiredis);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = { 0 }, pieces = { 0 };
	const char *bytes = (const char *)data + 1;
	int error_whole, error_pieces;

	if (size < 2 || size > BYTES_MAX || claims_too_much(bytes, size - 1))
		return 0;
	error_whole = decode(bytes, size - 1, size - 1, &whole);
	error_pieces = decode(bytes, size - 1, 1 + data[0] % 16, &pieces);
	if (error_whole != error_pieces || !slice_equal(buf_slice(&whole), buf_slice(&pieces)))
		abort();
	buf_done(&whole);
	buf_done(&pieces);
	compare_with_hiredis(bytes, size - 1);
	return 0;
}
