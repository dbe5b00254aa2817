/* SPDX-License-Identifier: MIT */
#include "ctl/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"

void page_done(struct page *p)
{
	for (size_t i = 0; i < p->len; i++)
		free(p->lines[i].text);
	free(p->lines);
	p->lines = NULL;
	p->len = p->cap = 0;
}

size_t page_bytes(struct slice text, size_t n)
{
	size_t at = 0;

	while (at < text.len && n--) {
		at++;
		while (at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80)
			at++;
	}
	return at;
}

struct page_line *page_add(struct page *p, struct buf *text, enum style style)
{
	struct slice all = buf_slice(text);

	if (p->len == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 32;
		p->lines = xreallocarray(p->lines, p->cap, sizeof(*p->lines));
	}
	p->lines[p->len] = (struct page_line){
		.text = all.len ? xstrndup(all.data, page_bytes(all, p->n_columns)) : xstrdup(""),
		.style = style,
	};
	buf_done(text);
	*text = (struct buf){ 0 };
	return &p->lines[p->len++];
}

void page_text(struct page *p, enum style style, const char *text)
{
	struct buf line = { 0 };

	text_append_printable(&line, slice_of(text));
	page_add(p, &line, style);
}

void page_format(struct page *p, enum style style, const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	page_text(p, style, text);
	free(text);
}

/* Lets the foot come last, whatever is above it. */
static void fill_to_foot(struct page *p)
{
	while (p->len + 1 < p->n_rows)
		page_text(p, STYLE_PLAIN, "");
	while (p->len + 1 > p->n_rows && p->len)
		free(p->lines[--p->len].text);
}

void page_foot(struct page *p, enum style style, const char *text)
{
	fill_to_foot(p);
	page_text(p, style, text);
}

size_t page_room(const struct page *p)
{
	return p->n_rows > p->len + 1 ? p->n_rows - p->len - 1 : 0;
}

void page_append_padded(struct buf *to, struct slice text, size_t width, enum page_side side)
{
	size_t len = text_characters(text), gap = len < width ? width - len : 0;

	buf_printf(to, "%*s", side == PAGE_RIGHT ? (int)gap : 0, "");
	buf_append(to, text.data, page_bytes(text, width));
	buf_printf(to, "%*s", side == PAGE_LEFT ? (int)gap : 0, "");
}
