/* SPDX-License-Identifier: MIT */
/* Lines of text that fill a terminal. Pure: ctl/screen.h shows them. */
#ifndef SLUICED_CTL_PAGE_H
#define SLUICED_CTL_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"
#include "ctl/output.h"

struct page_line {
	char *text; /* at most as many characters as the page has columns */
	enum style style;
	bool is_chosen;
};

struct page {
	size_t n_rows, n_columns; /* of the terminal */
	bool is_utf8;             /* what it can show */
	struct page_line *lines;
	size_t len, cap;
};

/* Zeroed but for n_rows, n_columns and is_utf8 it is an empty page. */
void page_done(struct page *p);

/* Adds a line, cut to the width. The buffer is empty afterwards. */
struct page_line *page_add(struct page *p, struct buf *text, enum style style);
void page_text(struct page *p, enum style style, const char *text);
void page_format(struct page *p, enum style style, const char *format, ...) PRINTF_LIKE(3, 4);

/* Rows that there is room for, the last line of the terminal left out. */
size_t page_room(const struct page *p);

/* The last line, at the bottom of the terminal. */
void page_foot(struct page *p, enum style style, const char *text);

/* The bytes that the first n characters of UTF-8 take. */
size_t page_bytes(struct slice text, size_t n_characters);

/* Appends so many characters, blanks in front of the text, or behind it. */
enum page_side { PAGE_RIGHT, PAGE_LEFT };
void page_append_padded(struct buf *to, struct slice text, size_t width, enum page_side side);

#endif
