/* SPDX-License-Identifier: MIT */
#include "ctl/output.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "ctl/ctl.h"

enum { COLUMNS_MAX = 12 };

struct column {
	const char *title;
	bool is_number;
	size_t width;
};

/* Where its text lies in the table's, and how wide it looks. */
struct cell {
	size_t at, len, width;
	enum style style;
};

struct table {
	struct column columns[COLUMNS_MAX];
	size_t n_columns;
	struct cell *cells; /* of the rows that are not printed yet, row by row */
	size_t n_cells, cap;
	struct buf text;
	size_t line_width; /* the last column is cut at its end; 0: nowhere */
	bool is_titled;
};

/* ---- style */

static bool has_colour(void)
{
	static int known; /* 0: not yet; 1: no; 2: yes */
	const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (!known)
		known = isatty(STDOUT_FILENO) && !(none && *none) && terminal &&
		                strcmp(terminal, "dumb") != 0
		            ? 2
		            : 1;
	return known == 2;
}

const char *style_begin(enum style s)
{
	static const char *const sequences[] = {
		[STYLE_PLAIN] = "",
		[STYLE_BOLD] = "\033[1m",
		[STYLE_DIM] = "\033[2m",
		[STYLE_GOOD] = "\033[32m",
		[STYLE_WARN] = "\033[33m",
		[STYLE_BAD] = "\033[31m",
		[STYLE_NAME] = "\033[36m",
	};

	return has_colour() ? sequences[s] : "";
}

const char *style_end(enum style s)
{
	return s != STYLE_PLAIN && has_colour() ? "\033[0m" : "";
}

/* ---- tables */

struct table *table_new(const char *first_title, ...)
{
	struct table *t = xcalloc(1, sizeof(*t));
	va_list args;

	va_start(args, first_title);
	for (const char *title = first_title; title; title = va_arg(args, const char *)) {
		bool is_number = *title == '>';

		t->columns[t->n_columns++] = (struct column){
			.title = title + is_number,
			.is_number = is_number,
			.width = strlen(title + is_number),
		};
	}
	va_end(args);
	return t;
}

void table_free(struct table *t)
{
	if (!t)
		return;
	free(t->cells);
	buf_done(&t->text);
	free(t);
}

/* The text has been appended from `at` on. */
static void add_cell(struct table *t, size_t at, enum style style)
{
	struct column *column = &t->columns[t->n_cells % t->n_columns];
	struct slice text = { buf_data(&t->text) + at, buf_len(&t->text) - at };
	size_t width = text_characters(text);

	if (t->n_cells == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 64;
		t->cells = xreallocarray(t->cells, t->cap, sizeof(*t->cells));
	}
	t->cells[t->n_cells++] = (struct cell){ at, text.len, width, style };
	if (width > column->width)
		column->width = width;
}

void table_slice(struct table *t, enum style style, struct slice text)
{
	size_t at = buf_len(&t->text);

	text_append_printable(&t->text, text);
	add_cell(t, at, style);
}

void table_text(struct table *t, struct slice text)
{
	table_slice(t, STYLE_PLAIN, text);
}

void table_styled(struct table *t, enum style style, const char *text)
{
	table_slice(t, style, slice_of(text));
}

void table_format(struct table *t, const char *format, ...)
{
	size_t at = buf_len(&t->text);
	char *text;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	buf_append_text(&t->text, text);
	free(text);
	add_cell(t, at, STYLE_PLAIN);
}

void table_u64(struct table *t, uint64_t n)
{
	table_format(t, "%llu", (unsigned long long)n);
}

void table_none(struct table *t)
{
	table_styled(t, STYLE_DIM, "-");
}

void table_duration(struct table *t, uint64_t ms)
{
	size_t at = buf_len(&t->text);

	human_duration(&t->text, ms);
	add_cell(t, at, STYLE_PLAIN);
}

/* 0: standard output is no terminal. */
static size_t terminal_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return columns && atoi(columns) > 0 ? (size_t)atoi(columns) : 80; /* NOLINT(cert-err34-c) */
}

void table_cut(struct table *t)
{
	t->line_width = terminal_width();
}

/* What of the text is so wide. */
static struct slice cut(struct slice text, size_t width)
{
	size_t len = 0;

	assert(text.data);
	for (size_t n = 0; len < text.len; len++) {
		if (((unsigned char)text.data[len] & 0xc0) != 0x80 && n++ == width)
			break;
	}
	return (struct slice){ text.data, len };
}

static size_t room_for_last(const struct table *t)
{
	size_t used = 0;

	for (size_t i = 0; i + 1 < t->n_columns; i++)
		used += t->columns[i].width + 2;
	return t->line_width > used ? t->line_width - used : 1;
}

static void print_last(const struct table *t, struct slice text, size_t width, enum style style)
{
	size_t room = t->line_width ? room_for_last(t) : SIZE_MAX;
	bool is_cut = width > room;

	if (is_cut)
		text = cut(text, room - 1);
	printf("%s%.*s%s%s", style_begin(style), (int)text.len, text.data, is_cut ? "\u2026" : "",
	    style_end(style));
}

static void print_cell(const struct column *column, struct slice text, size_t width,
    enum style style)
{
	int gap = (int)(column->width - width);

	if (column->is_number)
		printf("%*s", gap, "");
	printf("%s%.*s%s", style_begin(style), (int)text.len, text.data, style_end(style));
	if (!column->is_number)
		printf("%*s", gap, "");
}

/* The last column is not filled up: nothing stands behind it. */
static void print_row(const struct table *t, const struct cell *cells)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		struct column column = t->columns[i];
		const struct cell *cell = cells ? &cells[i] : NULL;
		struct slice text = cell
		                        ? (struct slice){ buf_data(&t->text) + cell->at, cell->len }
		                        : slice_of(column.title);

		size_t width = cell ? cell->width : text.len;
		enum style style = cell ? cell->style : STYLE_BOLD;

		if (i + 1 == t->n_columns && !column.is_number)
			print_last(t, text, width, style);
		else
			print_cell(&column, text, width, style);
		fputs(i + 1 < t->n_columns ? "  " : "\n", stdout);
	}
}

void table_print(struct table *t)
{
	if (!t->is_titled)
		print_row(t, NULL);
	t->is_titled = true;
	for (size_t i = 0; i < t->n_cells; i += t->n_columns)
		print_row(t, &t->cells[i]);
	t->n_cells = 0;
	buf_clear(&t->text);
}

/* ---- durations */

void human_duration(struct buf *to, uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		buf_printf(to, "%llums", (unsigned long long)ms);
	else if (s < 60)
		buf_printf(to, "%llus", (unsigned long long)s);
	else if (s < 3600)
		buf_printf(to, "%llum %llus", (unsigned long long)(s / 60),
		    (unsigned long long)(s % 60));
	else if (s < 86400)
		buf_printf(to, "%lluh %llum", (unsigned long long)(s / 3600),
		    (unsigned long long)(s / 60 % 60));
	else
		buf_printf(to, "%llud %lluh", (unsigned long long)(s / 86400),
		    (unsigned long long)(s / 3600 % 24));
}

/* ---- JSON */

void print_json(struct buf *document)
{
	buf_append_char(document, '\n');
	fwrite(buf_data(document), 1, buf_len(document), stdout);
	buf_clear(document);
}

bool output_is_closed(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) == 1 && out.revents & POLLERR;
}

bool output_flush(void)
{
	static bool is_told;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	/* An earlier write may be the one that failed. */
	if (!is_told && !output_is_closed())
		complain("standard output: %s", errno ? strerror(errno) : "a write failed");
	is_told = true;
	return false;
}
