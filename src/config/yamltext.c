/* SPDX-License-Identifier: MIT */
/* Quotes more than it must: other YAML readers take "no", "1e3" or "12:30" for something else. */
#include "config/yamltext.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/compiler.h"
#include "base/text.h"

/* What YAML 1.1 or 1.2 readers do not take for strings. */
static const char *const taken_words[] = { "true", "false", "yes", "no", "on", "off", "null", "y",
	"n" };

static bool is_taken_word(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(taken_words); i++) {
		if (strcasecmp(text, taken_words[i]) == 0)
			return true;
	}
	return false;
}

static bool is_plain(const char *text)
{
	size_t len = strlen(text);

	if (!len || (!isalpha((unsigned char)text[0]) && !strchr("/_", text[0])))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && !strchr("-_./:%+=@", text[i]))
			return false;
	}
	return text[len - 1] != ':' && !is_taken_word(text);
}

/* Line and paragraph separators, the byte order mark and what is no character: not readable. */
static bool needs_escape(const char *sequence, size_t len)
{
	static const char *const odd[] = { "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf",
		"\xef\xbf\xbe", "\xef\xbf\xbf" };

	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		if (len == 3 && memcmp(sequence, odd[i], 3) == 0)
			return true;
	}
	return false;
}

static void append_code_point(struct buf *to, const char *sequence)
{
	const unsigned char *p = (const unsigned char *)sequence;

	buf_printf(to, "\\u%04x",
	    (unsigned)((p[0] & 0x0f) << 12 | (p[1] & 0x3f) << 6 | (p[2] & 0x3f)));
}

static void append_sequence(struct buf *to, const char *sequence, size_t len)
{
	unsigned char c = (unsigned char)sequence[0];

	if (c == '"' || c == '\\')
		buf_printf(to, "\\%c", c);
	else if (len == 1 && (c < 0x20 || c == 0x7f))
		buf_printf(to, "\\x%02x", c);
	else if (len == 2 && c == 0xc2 && (unsigned char)sequence[1] < 0xa0)
		buf_printf(to, "\\x%02x", (unsigned char)sequence[1]);
	else if (needs_escape(sequence, len))
		append_code_point(to, sequence);
	else
		buf_append(to, sequence, len);
}

void yamltext_string(struct buf *to, const char *text)
{
	struct slice rest = slice_of(text);

	if (is_plain(text)) {
		buf_append_text(to, text);
		return;
	}
	buf_append_char(to, '"');
	while (rest.len) {
		size_t len = text_utf8_sequence(rest);

		append_sequence(to, rest.data, len);
		/* The file was UTF-8; host names and the environment need not be. */
		rest.data += len ? len : 1;
		rest.len -= len ? len : 1;
	}
	buf_append_char(to, '"');
}

void yamltext_list(struct buf *to, const struct string_list *list)
{
	buf_append_char(to, '[');
	for (size_t i = 0; i < list->len; i++) {
		if (i)
			buf_append_text(to, ", ");
		yamltext_string(to, list->items[i]);
	}
	buf_append_char(to, ']');
}

/* A key of 1024 characters and more must be marked as one. */
static void append_key(struct buf *to, const char *name)
{
	buf_append_text(to, strlen(name) > 128 ? "? " : "");
	yamltext_string(to, name);
	buf_append_text(to, ": ");
}

void yamltext_map(struct buf *to, const struct string_map *map)
{
	buf_append_char(to, '{');
	for (size_t i = 0; i < map->len; i++) {
		if (i)
			buf_append_text(to, ", ");
		append_key(to, map->names[i]);
		yamltext_string(to, map->values[i]);
	}
	buf_append_char(to, '}');
}

struct unit {
	const char *name;
	uint64_t factor;
};

static void append_with_unit(struct buf *to, uint64_t value, const struct unit *largest_first)
{
	const struct unit *u = largest_first;

	while (value % u->factor)
		u++;
	buf_printf(to, "%llu%s", (unsigned long long)(value / u->factor), u->name);
}

void yamltext_duration(struct buf *to, uint64_t ms)
{
	static const struct unit units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
		{ "s", 1000 }, { "ms", 1 } };

	append_with_unit(to, ms, ms ? units : units + 3); /* "0s" */
}

void yamltext_size(struct buf *to, uint64_t bytes)
{
	static const struct unit units[] = { { "GiB", 1024 * 1024 * 1024 }, { "MiB", 1024 * 1024 },
		{ "KiB", 1024 }, { "", 1 } };

	append_with_unit(to, bytes, bytes ? units : units + 3); /* "0" */
}
