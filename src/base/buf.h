/* SPDX-License-Identifier: MIT */
/*
 * Growable bytes with a read end: appended at the back, consumed at the front. Whoever fills a
 * buffer from outside bounds it.
 */
#ifndef SLUICED_BASE_BUF_H
#define SLUICED_BASE_BUF_H

#include <stddef.h>
#include <string.h>

#include "base/compiler.h"
#include "base/slice.h"

struct buf {
	char *memory;
	size_t start, end, cap; /* the bytes are memory[start, end) */
};

/* A zeroed struct buf is an empty buffer. */
void buf_done(struct buf *b);

/* The slow part of buf_reserve(). */
char *buf_grow(struct buf *b, size_t more);

/* Makes room for `more` bytes at the end and returns where they go; buf_added() takes them in. */
static inline char *buf_reserve(struct buf *b, size_t more)
{
	return b->cap - b->end >= more ? b->memory + b->end : buf_grow(b, more);
}

static inline void buf_added(struct buf *b, size_t len)
{
	b->end += len;
}

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline char *buf_data(const struct buf *b)
{
	return b->memory ? b->memory + b->start : NULL;
}

static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){ .data = buf_data(b), .len = buf_len(b) };
}

static inline void buf_append(struct buf *b, const void *data, size_t len)
{
	if (!len)
		return;
	memcpy(buf_reserve(b, len), data, len);
	b->end += len;
}

static inline void buf_append_char(struct buf *b, char c)
{
	*buf_reserve(b, 1) = c;
	b->end++;
}

static inline void buf_append_text(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* Drops `len` bytes from the front. */
void buf_consume(struct buf *b, size_t len);

/* Empties the buffer and keeps its memory. */
static inline void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

/* One memory for several buffers of which few are in use at a time: b, if it has none, takes it. */
static inline void buf_borrow(struct buf *b, struct buf *spare)
{
	if (b->memory)
		return;
	*b = *spare;
	*spare = (struct buf){ .memory = NULL };
}

enum { BUF_SPARE_BYTES_MAX = 64 * 1024 };

/* b, which is empty, leaves its memory there, unless it is large or another has been left. */
static inline void buf_give_back(struct buf *b, struct buf *spare)
{
	if (spare->memory || b->cap > BUF_SPARE_BYTES_MAX) {
		buf_done(b);
		return;
	}
	*spare = *b;
	*b = (struct buf){ .memory = NULL };
}

/* The content as a string of its own, which the caller frees; the buffer is done with. */
char *buf_take_text(struct buf *b) MUST_CHECK;

#endif
