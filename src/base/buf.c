/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

void buf_done(struct buf *b)
{
	free(b->memory);
	*b = (struct buf){ 0 };
}

char *buf_grow(struct buf *b, size_t more)
{
	if (b->start >= b->cap / 2 && b->start > 0) {
		memmove(b->memory, b->memory + b->start, buf_len(b));
		b->end -= b->start;
		b->start = 0;
	}
	if (b->cap - b->end < more) {
		size_t cap = b->cap ? b->cap : 256;

		while (cap - b->end < more)
			cap *= 2;
		b->memory = xrealloc(b->memory, cap);
		b->cap = cap;
	}
	return b->memory + b->end;
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len <= 0)
		return;
	buf_reserve(b, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(b->memory + b->end, (size_t)len + 1, format, args);
	va_end(args);
	b->end += (size_t)len;
}

void buf_consume(struct buf *b, size_t len)
{
	b->start += len;
	if (b->start == b->end)
		buf_clear(b);
}

char *buf_take_text(struct buf *b)
{
	char *text = xstrndup(buf_data(b), buf_len(b));

	buf_done(b);
	return text;
}
