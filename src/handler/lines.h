/* SPDX-License-Identifier: MIT */
/*
 * Bytes into lines, with a bound: what exceeds it is cut off and thrown away up to the next
 * newline. Only an unfinished line takes memory.
 */
#ifndef SLUICED_HANDLER_LINES_H
#define SLUICED_HANDLER_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

enum line_end {
	LINE_WHOLE,
	LINE_CUT,     /* longer than the bound: this is its beginning */
	LINE_UNENDED, /* the last one, without a newline */
};

struct lines {
	size_t max_bytes;
	struct buf partial;
	bool skipping; /* inside a line that was cut */
	void (*on_line)(struct lines *l, struct slice line, enum line_end end);
};

void lines_init(struct lines *l, size_t max_bytes,
    void (*on_line)(struct lines *l, struct slice line, enum line_end end));
void lines_done(struct lines *l);

/* Calls on_line for each line that is complete, without its newline. */
void lines_feed(struct lines *l, const char *data, size_t len);

/* No more will come: calls on_line for what is left. */
void lines_finish(struct lines *l);

#endif
