/* SPDX-License-Identifier: MIT */
/*
 * The verdict channel, from bytes to outcomes: whatever comes, a line that is taken for a verdict
 * names only tags that are in it, and the bytes cut at any place mean the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "handler/lines.h"
#include "handler/verdictline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_inside(struct slice part, struct slice whole)
{
	return !part.len ||
	       (part.data >= whole.data && part.data + part.len <= whole.data + whole.len);
}

static void check_reason(struct slice raw)
{
	struct buf scratch = { 0 };
	struct slice text = verdict_reason(raw, &scratch);

	must(text.len <= 4 * raw.len);
	must(!text.len || !memchr(text.data, '\0', text.len));
	must(text.data == raw.data || !text.len || text_is_utf8(text) || !text_is_utf8(raw));
	buf_done(&scratch);
}

static void check_line(struct slice line, enum tag_rule rule)
{
	struct verdict_line v;
	struct slice tags;
	uint64_t tag;
	size_t n = 0;

	if (verdict_line_parse(line, rule, &v))
		return;
	must(v.verb < VERB_COUNT);
	must(is_inside(v.tags, line) && is_inside(v.reason, line));
	must(rule != TAGS_NONE || !v.tags.len);
	for (tags = v.tags; verdict_line_next_tag(&tags, &tag); n++)
		;
	must(!tags.len);
	must(rule != TAGS_REQUIRED || !verb_is_terminal(v.verb) || v.verb == VERB_BROKEN || n > 0);
	must(!v.has_delay || v.verb == VERB_RETRY);
	check_reason(v.reason);
}

/* The lines of a read, joined with their ends, to compare two ways to cut it. */
struct collector {
	struct lines lines;
	struct buf got;
};

static void on_line(struct lines *l, struct slice line, enum line_end end)
{
	struct collector *c = container_of(l, struct collector, lines);

	must(line.len <= l->max_bytes);
	check_line(line, TAGS_REQUIRED);
	check_line(line, TAGS_OPTIONAL);
	check_line(line, TAGS_NONE);
	buf_append(&c->got, line.data, line.len);
	buf_append_char(&c->got, (char)end);
}

static void collect(struct collector *c, const char *data, size_t size, size_t cut)
{
	enum { MAX_BYTES = 100 };

	lines_init(&c->lines, MAX_BYTES, on_line);
	lines_feed(&c->lines, data, cut);
	lines_feed(&c->lines, data + cut, size - cut);
	lines_finish(&c->lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct collector whole = { 0 }, halves = { 0 };
	const char *text = (const char *)data;

	if (!size)
		return 0;
	collect(&whole, text, size, size);
	collect(&halves, text, size, data[0] % size);
	must(slice_equal(buf_slice(&whole.got), buf_slice(&halves.got)));
	buf_done(&whole.got);
	buf_done(&halves.got);
	return 0;
}
