/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 is checked byte by byte against the table of well-formed sequences of the Unicode
 * standard: what passes here, every JSON parser takes.
 */
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The range of the second byte rules out overlong forms, surrogates and what is over U+10FFFF. */
static bool second_byte_fits(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed:
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return is_continuation(second);
	}
}

static size_t length_from_first_byte(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	if (c >= 0xf0 && c <= 0xf4)
		return 4;
	return 0;
}

size_t text_utf8_sequence(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.data;
	size_t len;

	assert(s.len > 0);
	len = length_from_first_byte(p[0]);
	if (len <= 1)
		return len;
	if (s.len < len || !second_byte_fits(p[0], p[1]))
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (!is_continuation(p[i]))
			return 0;
	}
	return len;
}

bool text_is_utf8(struct slice s)
{
	while (s.len) {
		size_t len = text_utf8_sequence(s);

		if (!len)
			return false;
		s.data += len;
		s.len -= len;
	}
	return true;
}

/* C0, DEL, and C1 (U+0080 to U+009F): terminals act on those too. */
static bool is_control(const char *sequence, size_t len)
{
	const unsigned char *p = (const unsigned char *)sequence;

	if (len == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	return len == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

static void append_escaped(struct buf *to, const char *bytes, size_t len)
{
	if (*bytes == '\n')
		buf_append_text(to, "\\n");
	else if (*bytes == '\t')
		buf_append_text(to, "\\t");
	else
		for (size_t i = 0; i < len; i++)
			buf_printf(to, "\\x%02x", (unsigned char)bytes[i]);
}

void text_append_printable(struct buf *to, struct slice s)
{
	while (s.len) {
		size_t valid = text_utf8_sequence(s), len = valid ? valid : 1;

		if (!valid || is_control(s.data, valid))
			append_escaped(to, s.data, len);
		else
			buf_append(to, s.data, len);
		s.data += len;
		s.len -= len;
	}
}

static const char base64_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode_three(char out[4], const unsigned char in[3])
{
	out[0] = base64_letters[in[0] >> 2];
	out[1] = base64_letters[(in[0] & 3) << 4 | in[1] >> 4];
	out[2] = base64_letters[(in[1] & 15) << 2 | in[2] >> 6];
	out[3] = base64_letters[in[2] & 63];
}

char *text_put_base64(char *out, struct slice s)
{
	const unsigned char *in = (const unsigned char *)s.data;
	size_t left = s.len;

	for (; left >= 3; left -= 3, in += 3, out += 4)
		encode_three(out, in);
	if (!left)
		return out;
	encode_three(out, (const unsigned char[3]){ in[0], left == 2 ? in[1] : 0, 0 });
	out[3] = '=';
	if (left == 1)
		out[2] = '=';
	return out + 4;
}

/* -1: no letter. */
static int base64_value(char letter)
{
	const char *at = letter ? strchr(base64_letters, letter) : NULL;

	return at ? (int)(at - base64_letters) : -1;
}

/* Four letters, of which the last n_padding are "=": 0, or -EINVAL. */
static int decode_four(struct buf *to, const char *in, size_t n_padding)
{
	uint32_t bits = 0;
	char out[3];

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - n_padding ? base64_value(in[i]) : 0;

		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
	}
	/* Bits that are not part of a byte are zero: one text for the same bytes. */
	if (bits & ((1U << 8 * n_padding) - 1))
		return -EINVAL;
	for (size_t i = 0; i < 3; i++)
		out[i] = (char)(bits >> (16 - 8 * i));
	buf_append(to, out, 3 - n_padding);
	return 0;
}

int text_decode_base64(struct buf *to, struct slice s)
{
	size_t n_padding = 0;

	if (s.len % 4)
		return -EINVAL;
	while (n_padding < 2 && n_padding < s.len && s.data[s.len - 1 - n_padding] == '=')
		n_padding++;
	for (size_t i = 0; i < s.len; i += 4) {
		if (decode_four(to, s.data + i, i + 4 == s.len ? n_padding : 0))
			return -EINVAL;
	}
	return 0;
}

/* Longer words are never a slip of the finger away from one of ours. */
enum { DISTANCE_MAX_LEN = 64 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t edits(const char *a, const char *b, size_t i, size_t j,
    size_t rows[3][DISTANCE_MAX_LEN + 1])
{
	size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
	size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);

	best = least(best, least(above[j], row[j - 1]) + 1);
	if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
		best = least(best, two_above[j - 2] + 1);
	return best;
}

size_t text_distance(const char *a, const char *b, size_t limit)
{
	size_t len_a = strlen(a), len_b = strlen(b), rows[3][DISTANCE_MAX_LEN + 1];
	size_t gap = len_a > len_b ? len_a - len_b : len_b - len_a;

	if (gap > limit || len_a > DISTANCE_MAX_LEN || len_b > DISTANCE_MAX_LEN)
		return limit + 1;
	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= len_a; i++) {
		rows[i % 3][0] = i;
		for (size_t j = 1; j <= len_b; j++)
			rows[i % 3][j] = edits(a, b, i, j, rows);
	}
	return least(rows[len_a % 3][len_b], limit + 1);
}

size_t text_characters(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.data[i] & 0xc0) != 0x80;
	return n;
}
