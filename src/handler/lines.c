/* SPDX-License-Identifier: MIT */
#include "handler/lines.h"

#include <string.h>

void lines_init(struct lines *l, size_t max_bytes,
    void (*on_line)(struct lines *l, struct slice line, enum line_end end))
{
	*l = (struct lines){ .max_bytes = max_bytes, .on_line = on_line };
}

void lines_done(struct lines *l)
{
	buf_done(&l->partial);
	l->skipping = false;
}

/* Hands the line on, cut if it is too long. */
static void emit(struct lines *l, struct slice line, enum line_end end)
{
	if (line.len > l->max_bytes) {
		line.len = l->max_bytes;
		end = LINE_CUT;
	}
	l->on_line(l, line, end);
}

static void end_line(struct lines *l, struct slice rest)
{
	if (l->skipping) {
		l->skipping = false;
		return;
	}
	if (!buf_len(&l->partial)) {
		emit(l, rest, LINE_WHOLE);
		return;
	}
	buf_append(&l->partial, rest.data, rest.len);
	emit(l, buf_slice(&l->partial), LINE_WHOLE);
	buf_done(&l->partial);
}

static void keep(struct lines *l, struct slice rest)
{
	if (l->skipping || !rest.len)
		return;
	buf_append(&l->partial, rest.data, rest.len);
	if (buf_len(&l->partial) <= l->max_bytes)
		return;
	emit(l, buf_slice(&l->partial), LINE_CUT);
	buf_done(&l->partial);
	l->skipping = true;
}

void lines_feed(struct lines *l, const char *data, size_t len)
{
	while (len) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) : len;

		if (!newline) {
			keep(l, (struct slice){ data, n });
			return;
		}
		end_line(l, (struct slice){ data, n });
		data += n + 1;
		len -= n + 1;
	}
}

void lines_finish(struct lines *l)
{
	if (buf_len(&l->partial))
		emit(l, buf_slice(&l->partial), LINE_UNENDED);
	lines_done(l);
}
