/* SPDX-License-Identifier: MIT */
/*
 * Strings are copied 16 bytes at a time (SSE2 is part of every x86-64), short ones 8 at a time, up
 * to the next byte that needs attention.
 */
#include "base/json.h"

#include <assert.h>
#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/digits.h"
#include "base/text.h"

/* The letter after the backslash, 'u' for \u00XX; 0 when the ASCII character stands for itself. */
static char escape_letter(unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		return (char)c;
	case '\b':
		return 'b';
	case '\t':
		return 't';
	case '\n':
		return 'n';
	case '\f':
		return 'f';
	case '\r':
		return 'r';
	default:
		return c < 0x20 ? 'u' : 0;
	}
}

/*
 * The copy_ functions copy all of their bytes, and return how many of them need no attention up to
 * the first that does.
 */

static size_t copy_bytes(char *out, const char *in, size_t len)
{
	size_t i = 0;

	for (; i < len; i++) {
		unsigned char c = (unsigned char)in[i];

		if (c >= 0x80 || escape_letter(c))
			break;
		out[i] = in[i];
	}
	return i;
}

enum { WORD = 8, BLOCK = 2 * WORD };

#ifdef __SSE2__
/* A bit for each byte that is below 0x20, a quote, a backslash or not ASCII. */
static unsigned special_in_block(__m128i v)
{
	__m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
	                                   _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))),
	    _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v));

	/* The sign bit of v itself marks bytes of 0x80 and above. */
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(special, v));
}

static size_t copy_block(char *out, const char *in)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)in);
	unsigned special = special_in_block(v);

	_mm_storeu_si128((__m128i *)(void *)out, v);
	return special ? (size_t)__builtin_ctz(special) : BLOCK;
}

/* From WORD to BLOCK bytes: the first word and the last one, which may overlap. */
static size_t copy_two_words(char *out, const char *in, size_t len)
{
	__m128i first = _mm_loadl_epi64((const __m128i *)(const void *)in);
	__m128i last = _mm_loadl_epi64((const __m128i *)(const void *)(in + len - WORD));
	unsigned special = special_in_block(_mm_unpacklo_epi64(first, last));
	size_t n;

	_mm_storel_epi64((__m128i *)(void *)out, first);
	_mm_storel_epi64((__m128i *)(void *)(out + len - WORD), last);
	if (!special)
		return len;
	n = (size_t)__builtin_ctz(special);
	return n < WORD ? n : len - BLOCK + n;
}
#else
/* The high bit of each byte that is below 0x20, a quote, a backslash or not ASCII; other bits are
 * noise. Above the lowest of them a byte may be marked that is none. */
static uint64_t special_in_word(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t quote = w ^ (ones * '"'), backslash = w ^ (ones * '\\');

	/* Subtracting borrows into the high bit where a byte was too small, and may so spoil the
	 * byte above. */
	return (w - ones * 0x20) | (quote - ones) | (backslash - ones) | w;
}

static size_t copy_word(char *out, const char *in)
{
	uint64_t w, special;

	memcpy(&w, in, WORD);
	memcpy(out, &w, WORD);
	special = special_in_word(le64toh(w)) & 0x8080808080808080u;
	return special ? (size_t)__builtin_ctzll(special) / 8 : WORD;
}

/* From WORD to BLOCK bytes: the first word and the last one, which may overlap. */
static size_t copy_two_words(char *out, const char *in, size_t len)
{
	size_t n = copy_word(out, in);

	return n < WORD ? n : len - WORD + copy_word(out + len - WORD, in + len - WORD);
}

static size_t copy_block(char *out, const char *in)
{
	return copy_two_words(out, in, BLOCK);
}
#endif

/* The last block overlaps the one before it, so that there is no tail to go through. */
static size_t copy_plain(char *out, const char *in, size_t len)
{
	if (len < WORD)
		return copy_bytes(out, in, len);
	if (len < BLOCK)
		return copy_two_words(out, in, len);
	for (size_t i = 0; i + BLOCK <= len; i += BLOCK) {
		size_t n = copy_block(out + i, in + i);

		if (n < BLOCK)
			return i + n;
	}
	return len - BLOCK + copy_block(out + len - BLOCK, in + len - BLOCK);
}

static size_t put_escape(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	out[0] = '\\';
	out[1] = escape_letter(c);
	if (out[1] != 'u')
		return 2;
	out[2] = out[3] = '0';
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

char *json_put_string(char *out, struct slice s)
{
	size_t i = 0;

	*out++ = '"';
	while (i < s.len) {
		size_t n = copy_plain(out, s.data + i, s.len - i);

		out += n;
		i += n;
		if (i == s.len)
			break;
		if ((unsigned char)s.data[i] < 0x80) {
			out += put_escape(out, (unsigned char)s.data[i++]);
			continue;
		}
		n = text_utf8_sequence((struct slice){ s.data + i, s.len - i });
		if (!n)
			return NULL;
		memcpy(out, s.data + i, n);
		out += n;
		i += n;
	}
	*out++ = '"';
	return out;
}

bool json_append_string(struct buf *to, struct slice s)
{
	char *start = buf_reserve(to, json_string_max(s.len)), *end = json_put_string(start, s);

	if (!end)
		return false;
	buf_added(to, (size_t)(end - start));
	return true;
}

void json_append_lossy(struct buf *to, struct slice s)
{
	struct buf clean = { 0 };

	if (json_append_string(to, s))
		return;
	while (s.len) {
		size_t n = text_utf8_sequence(s);

		if (n)
			buf_append(&clean, s.data, n);
		else
			buf_append_text(&clean, "\xef\xbf\xbd");
		s.data += n ? n : 1;
		s.len -= n ? n : 1;
	}
	assert(clean.memory);
	json_append_string(to, buf_slice(&clean));
	buf_done(&clean);
}

void json_append_u64(struct buf *to, uint64_t value)
{
	buf_added(to, digits_put(buf_reserve(to, DIGITS_MAX), value));
}

static void newline(struct json *j)
{
	if (!j->pretty)
		return;
	buf_append_char(j->to, '\n');
	for (unsigned i = 0; i < j->depth; i++)
		buf_append_text(j->to, "  ");
}

static void before_value(struct json *j)
{
	if (j->after_key) {
		j->after_key = false;
		return;
	}
	if (j->has_items)
		buf_append_char(j->to, ',');
	if (j->depth)
		newline(j);
	j->has_items = true;
}

static void open_nesting(struct json *j, char c)
{
	before_value(j);
	buf_append_char(j->to, c);
	j->depth++;
	j->has_items = false;
}

static void close_nesting(struct json *j, char c)
{
	j->depth--;
	if (j->has_items)
		newline(j);
	buf_append_char(j->to, c);
	j->has_items = true;
}

void json_object_begin(struct json *j)
{
	open_nesting(j, '{');
}

void json_object_end(struct json *j)
{
	close_nesting(j, '}');
}

void json_array_begin(struct json *j)
{
	open_nesting(j, '[');
}

void json_array_end(struct json *j)
{
	close_nesting(j, ']');
}

void json_key(struct json *j, const char *key)
{
	before_value(j);
	json_append_lossy(j->to, slice_of(key));
	buf_append_text(j->to, j->pretty ? ": " : ":");
	j->after_key = true;
}

void json_text(struct json *j, const char *value)
{
	json_slice(j, slice_of(value));
}

void json_slice(struct json *j, struct slice value)
{
	before_value(j);
	json_append_lossy(j->to, value);
}

void json_u64(struct json *j, uint64_t value)
{
	before_value(j);
	json_append_u64(j->to, value);
}

void json_bool(struct json *j, bool value)
{
	before_value(j);
	buf_append_text(j->to, value ? "true" : "false");
}

void json_null(struct json *j)
{
	before_value(j);
	buf_append_text(j->to, "null");
}

void json_pair_text(struct json *j, const char *key, const char *value)
{
	json_key(j, key);
	if (value)
		json_text(j, value);
	else
		json_null(j);
}

void json_pair_slice(struct json *j, const char *key, struct slice value)
{
	json_key(j, key);
	json_slice(j, value);
}

void json_pair_u64(struct json *j, const char *key, uint64_t value)
{
	json_key(j, key);
	json_u64(j, value);
}

void json_pair_bool(struct json *j, const char *key, bool value)
{
	json_key(j, key);
	json_bool(j, value);
}

void json_pair_null(struct json *j, const char *key)
{
	json_key(j, key);
	json_null(j);
}
