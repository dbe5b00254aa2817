/* SPDX-License-Identifier: MIT */
/*
 * Strings are copied 16 bytes at a time while nothing needs attention (SSE2 is part of every
 * x86-64); the rest, and other machines, go byte by byte through a table.
 */
#include "base/json.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/digits.h"
#include "base/text.h"

/* 0: copied as it is; 'u': written as \u00XX; otherwise the letter after the backslash. */
static const char escape_of[128] = {
	[0] = 'u',
	[1] = 'u',
	[2] = 'u',
	[3] = 'u',
	[4] = 'u',
	[5] = 'u',
	[6] = 'u',
	[7] = 'u',
	[8] = 'b',
	[9] = 't',
	[10] = 'n',
	[11] = 'u',
	[12] = 'f',
	[13] = 'r',
	[14] = 'u',
	[15] = 'u',
	[16] = 'u',
	[17] = 'u',
	[18] = 'u',
	[19] = 'u',
	[20] = 'u',
	[21] = 'u',
	[22] = 'u',
	[23] = 'u',
	[24] = 'u',
	[25] = 'u',
	[26] = 'u',
	[27] = 'u',
	[28] = 'u',
	[29] = 'u',
	[30] = 'u',
	[31] = 'u',
	['"'] = '"',
	['\\'] = '\\',
	[127] = 'u',
};

/* Length of the prefix that is plain ASCII without anything to escape, copied to out. */
static size_t copy_plain(char *out, const char *in, size_t len)
{
	size_t i = 0;

#ifdef __SSE2__
	const __m128i control = _mm_set1_epi8(0x1f), quote = _mm_set1_epi8('"'),
	              backslash = _mm_set1_epi8('\\'), del = _mm_set1_epi8(0x7f);

	for (; i + 16 <= len; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
		__m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote),
		                                   _mm_cmpeq_epi8(v, backslash)),
		    _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, control), v),
		        _mm_cmpeq_epi8(v, del)));

		/* The sign bit of v itself marks bytes of 0x80 and above. */
		if (_mm_movemask_epi8(_mm_or_si128(special, v)))
			break;
		_mm_storeu_si128((__m128i *)(void *)(out + i), v);
	}
#endif
	for (; i < len; i++) {
		unsigned char c = (unsigned char)in[i];

		if (c >= 0x80 || escape_of[c])
			break;
		out[i] = in[i];
	}
	return i;
}

static size_t put_escape(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	out[0] = '\\';
	out[1] = escape_of[c];
	if (escape_of[c] != 'u')
		return 2;
	out[2] = out[3] = '0';
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

bool json_append_string(struct buf *to, struct slice s)
{
	/* An escaped byte takes six at most. */
	char *start = buf_reserve(to, 6 * s.len + 2), *out = start;
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
			return false;
		memcpy(out, s.data + i, n);
		out += n;
		i += n;
	}
	*out++ = '"';
	buf_added(to, (size_t)(out - start));
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
	before_value(j);
	json_append_lossy(j->to, slice_of(value));
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
