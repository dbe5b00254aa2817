/* SPDX-License-Identifier: MIT */
#include "handler/jsonstring.h"

#include <errno.h>
#include <stdint.h>

#include "base/text.h"

static void skip(struct slice *s, size_t len)
{
	s->data += len;
	s->len -= len;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Takes \uXXXX off s. */
static int take_unit(struct slice *s, uint32_t *ret_unit)
{
	uint32_t unit = 0;

	if (s->len < 6 || s->data[0] != '\\' || s->data[1] != 'u')
		return -EINVAL;
	for (int i = 2; i < 6; i++) {
		int digit = hex_digit(s->data[i]);

		if (digit < 0)
			return -EINVAL;
		unit = unit << 4 | (uint32_t)digit;
	}
	skip(s, 6);
	*ret_unit = unit;
	return 0;
}

/* Takes one character off s: a unit, or a pair of surrogates. */
static int take_code_point(struct slice *s, uint32_t *ret_code)
{
	uint32_t high, low;

	if (take_unit(s, &high))
		return -EINVAL;
	if (high < 0xd800 || high > 0xdfff) {
		*ret_code = high;
		return 0;
	}
	if (high > 0xdbff || take_unit(s, &low) || low < 0xdc00 || low > 0xdfff)
		return -EINVAL;
	*ret_code = 0x10000 + ((high - 0xd800) << 10 | (low - 0xdc00));
	return 0;
}

static void append_utf8(struct buf *to, uint32_t c)
{
	if (c < 0x80) {
		buf_append_char(to, (char)c);
		return;
	}
	if (c < 0x800) {
		buf_append_char(to, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_append_char(to, (char)(0xe0 | c >> 12));
		} else {
			buf_append_char(to, (char)(0xf0 | c >> 18));
			buf_append_char(to, (char)(0x80 | (c >> 12 & 0x3f)));
		}
		buf_append_char(to, (char)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_append_char(to, (char)(0x80 | (c & 0x3f)));
}

static int decode_escape(struct slice *s, struct buf *to)
{
	static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *found;
	uint32_t code;

	if (s->len < 2 || !s->data[1])
		return -EINVAL;
	found = strchr(letters, s->data[1]);
	if (found) {
		buf_append_char(to, values[found - letters]);
		skip(s, 2);
		return 0;
	}
	if (take_code_point(s, &code))
		return -EINVAL;
	append_utf8(to, code);
	return 0;
}

int jsonstring_decode(struct slice s, struct buf *to)
{
	if (s.len < 2 || s.data[0] != '"' || s.data[s.len - 1] != '"')
		return -EINVAL;
	s = (struct slice){ s.data + 1, s.len - 2 };
	while (s.len) {
		size_t len;

		if (*s.data == '\\') {
			if (decode_escape(&s, to))
				return -EINVAL;
			continue;
		}
		len = text_utf8_sequence(s);
		if (!len || *s.data == '"' || (len == 1 && (unsigned char)*s.data < 0x20))
			return -EINVAL;
		buf_append(to, s.data, len);
		skip(&s, len);
	}
	return 0;
}
