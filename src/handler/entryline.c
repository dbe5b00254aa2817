/* SPDX-License-Identifier: MIT */
/*
 * Hundreds of thousands of lines a second are written here, so what does not change from line to
 * line is formatted once, and the checks for what JSON objects cannot carry are cheap: equal names
 * are looked for by a 64-bit mark first, and UTF-8 is checked while a string is copied.
 */
#include "handler/entryline.h"

#include <assert.h>
#include <string.h>

#include "base/digits.h"
#include "base/json.h"
#include "handler/fieldsjson.h"

static const char more_true[] = "true", more_false[] = "false";

void entryline_init(struct entryline *l, uint64_t max_attempts, bool batches)
{
	*l = (struct entryline){ .max_attempts = max_attempts, .batches = batches };
	entryline_set_deadline(l, 0);
}

static char *put(char *out, const void *data, size_t len)
{
	memcpy(out, data, len);
	return out + len;
}

#define PUT_LITERAL(out, text) put(out, text, sizeof(text) - 1)

void entryline_set_deadline(struct entryline *l, uint64_t deadline_ms)
{
	char *out = l->tail;

	if (deadline_ms == l->deadline_ms && l->tail_len)
		return;
	l->deadline_ms = deadline_ms;
	out = PUT_LITERAL(out, ",\"max_attempts\":");
	out += digits_put(out, l->max_attempts);
	out = PUT_LITERAL(out, ",\"deadline_ms\":");
	out += digits_put(out, deadline_ms);
	out = PUT_LITERAL(out, ",\"more\":");
	out = l->batches ? PUT_LITERAL(out, more_true) : PUT_LITERAL(out, more_false);
	l->tail_len = (size_t)(out - l->tail);
	assert(l->tail_len <= sizeof(l->tail));
}

size_t entryline_append(const struct entryline *l, struct buf *to, const struct entry *e,
    const struct fields *f)
{
	enum { NUMBERS_AND_KEYS = 192 };
	char *start, *out;
	size_t len_before_rest;

	start = out = buf_reserve(to, NUMBERS_AND_KEYS + e->origin->json_len + sizeof(l->tail));
	out = PUT_LITERAL(out, "{\"tag\":");
	out += digits_put(out, e->tag);
	*out++ = ',';
	out = put(out, e->origin->json, e->origin->json_len);
	out += entryid_format(e->id, out);
	out = PUT_LITERAL(out, "\",\"attempt\":");
	out += digits_put(out, e->attempts);
	out = put(out, l->tail, l->tail_len);
	buf_added(to, (size_t)(out - start));
	len_before_rest = buf_len(to);
	if (e->source != SOURCE_NEW)
		buf_append_text(to, ",\"recovered\":true");
	fieldsjson_append(to, f);
	buf_append(to, "}\n", 2);
	return buf_len(to) - len_before_rest;
}

void entryline_last(struct buf *to, size_t len_after_more)
{
	enum { LONGER = sizeof(more_false) - sizeof(more_true) };
	char *end = buf_reserve(to, LONGER), *rest = end - len_after_more;

	memmove(rest + LONGER, rest, len_after_more);
	memcpy(rest + LONGER - (sizeof(more_false) - 1), more_false, sizeof(more_false) - 1);
	buf_added(to, LONGER);
}
