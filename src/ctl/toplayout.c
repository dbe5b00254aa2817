/* SPDX-License-Identifier: MIT */
#include "ctl/toplayout.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/text.h"

enum {
	NAME_MIN = 8,
	SPARK_MIN = 12, /* what a long name leaves of it */
	SPARK_MAX = 60,
};

/* ---- cells ---- */

void top_count(struct buf *to, uint64_t n)
{
	static const char units[] = " kMGT";
	double value = (double)n;
	unsigned unit = 0;

	for (; value >= (unit ? 999.5 : 99999.5) && unit < 4; unit++)
		value /= 1000;
	if (!unit)
		buf_printf(to, "%llu", (unsigned long long)n);
	else
		buf_printf(to, value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

void top_duration(struct buf *to, uint64_t ms)
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		buf_printf(to, "%llums", (unsigned long long)ms);
	else if (s < 10)
		buf_printf(to, "%llu.%llus", (unsigned long long)s,
		    (unsigned long long)(ms / 100 % 10));
	else if (s < 60)
		buf_printf(to, "%llus", (unsigned long long)s);
	else if (s < 3600)
		buf_printf(to, "%llum", (unsigned long long)(s / 60));
	else if (s < 48 * 3600)
		buf_printf(to, "%lluh", (unsigned long long)(s / 3600));
	else
		buf_printf(to, "%llud", (unsigned long long)(s / 86400));
}

static void append_rate(struct buf *to, double rate)
{
	if (rate < 99.95)
		buf_printf(to, "%.1f", rate);
	else
		top_count(to, (uint64_t)(rate + 0.5));
}

static void append_figure(struct buf *to, struct figure_sum f)
{
	if (f.is_known)
		top_count(to, f.value);
	else
		buf_append_char(to, '-');
}

static void append_quantile(struct buf *to, const struct top_row *row, uint64_t ms)
{
	if (!row->has_handler) {
		buf_append_char(to, '-');
	} else if (ms > row->longest_known_ms) {
		buf_append_char(to, '>');
		top_duration(to, row->longest_known_ms);
	} else {
		top_duration(to, ms);
	}
}

static void write_rate(struct buf *to, const struct top_row *row)
{
	if (row->has_rate)
		append_rate(to, row->rate);
	else
		buf_append_char(to, '-');
}

static void write_lag(struct buf *to, const struct top_row *row)
{
	append_figure(to, row->lag);
}

static void write_pending(struct buf *to, const struct top_row *row)
{
	append_figure(to, row->pending);
}

static void write_running(struct buf *to, const struct top_row *row)
{
	top_count(to, row->n_running);
}

static void write_failures(struct buf *to, const struct top_row *row)
{
	top_count(to, row->n_failures);
}

static void write_p50(struct buf *to, const struct top_row *row)
{
	append_quantile(to, row, row->p50_ms);
}

static void write_p99(struct buf *to, const struct top_row *row)
{
	append_quantile(to, row, row->p99_ms);
}

static void write_breaker(struct buf *to, const struct top_row *row)
{
	buf_append_text(to, row->breaker);
}

static void write_state(struct buf *to, const struct top_row *row)
{
	if (strcmp(row->state, "running") != 0)
		buf_append_text(to, row->state);
	else
		buf_append_text(to, row->is_connected ? "ok" : "no conn");
}

static const struct column {
	const char *title;
	int width;
	enum page_side side;
	void (*write)(struct buf *to, const struct top_row *row);
} columns[] = {
	{ "RATE/s", 6, PAGE_RIGHT, write_rate },
	{ "LAG", 5, PAGE_RIGHT, write_lag },
	{ "PEND", 5, PAGE_RIGHT, write_pending },
	{ "RUN", 4, PAGE_RIGHT, write_running },
	{ "FAIL", 5, PAGE_RIGHT, write_failures },
	{ "P50", 5, PAGE_RIGHT, write_p50 },
	{ "P99", 5, PAGE_RIGHT, write_p99 },
	{ "BREAKER", 7, PAGE_LEFT, write_breaker },
	{ "STATE", 8, PAGE_LEFT, write_state },
};

/* With the blank before each. */
static size_t width_of_columns(void)
{
	size_t width = 0;

	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		width += (size_t)columns[i].width + 1;
	return width;
}

static void append_cells(struct buf *to, const struct top_row *row)
{
	for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
		const struct column *c = &columns[i];
		struct buf cell = { 0 };

		if (row)
			c->write(&cell, row);
		else
			buf_append_text(&cell, c->title);
		buf_append_char(to, ' ');
		page_append_padded(to, buf_slice(&cell), (size_t)c->width, c->side);
		buf_done(&cell);
	}
}

/* ---- the sparkline ---- */

static const char *spark(double share, bool is_utf8)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const letters[] = { ".", ":", "-", "=", "+", "*", "%", "#" };
	unsigned i = (unsigned)(share * 7.999);

	return is_utf8 ? blocks[i] : letters[i];
}

/* The mean of values[from, to); negative where there is none. */
static double mean_of(const double values[], size_t n, long from, long to)
{
	double sum = 0;
	long first = from < 0 ? 0 : from;

	if (to <= 0 || first >= to || (size_t)first >= n)
		return -1;
	for (long i = first; i < to; i++)
		sum += values[i];
	return sum / (double)(to - first);
}

void top_sparkline(struct buf *to, const double values[], size_t n, size_t width, bool is_utf8)
{
	double means[TOP_RATES], highest = 0;
	long each;

	if (!width)
		return;
	if (width > TOP_RATES)
		width = TOP_RATES;
	each = TOP_RATES / (long)width;
	for (size_t i = 0; i < width; i++) {
		long end = (long)n - (long)(width - 1 - i) * each;

		means[i] = mean_of(values, n, end - each, end);
		if (means[i] > highest)
			highest = means[i];
	}
	for (size_t i = 0; i < width; i++)
		buf_append_text(to,
		    means[i] < 0 ? " " : spark(highest > 0 ? means[i] / highest : 0, is_utf8));
}

/* ---- the list ---- */

static size_t longest_name(const struct top_model *m)
{
	size_t longest = NAME_MIN;

	for (size_t i = 0; i < m->n_rows; i++) {
		size_t len = text_characters(slice_of(m->rows[i]->name));

		if (len > longest)
			longest = len;
	}
	return longest;
}

/* Names and sparklines share what the columns leave. */
struct widths {
	size_t name, spark;
};

static struct widths share_out(const struct top_model *m, size_t n_columns)
{
	size_t fixed = width_of_columns() + 1, left = n_columns > fixed ? n_columns - fixed : 0;
	struct widths w = { .name = longest_name(m) };

	if (w.name + SPARK_MIN > left)
		w.name = left > NAME_MIN + SPARK_MIN ? left - SPARK_MIN : NAME_MIN;
	w.spark = left > w.name ? left - w.name : 0;
	if (w.spark > SPARK_MAX)
		w.spark = SPARK_MAX;
	return w;
}

static void append_name(struct buf *to, const struct page *p, const char *name, size_t width)
{
	struct buf text = { 0 };

	text_append_printable(&text, slice_of(name));
	if (text_characters(buf_slice(&text)) > width && width) {
		text.end = text.start + page_bytes(buf_slice(&text), width - 1);
		buf_append_text(&text, p->is_utf8 ? "…" : "~");
	}
	page_append_padded(to, buf_slice(&text), width, PAGE_LEFT);
	buf_done(&text);
}

static enum style style_of(const struct top_row *row)
{
	if (!row->is_connected || strcmp(row->breaker, "closed") != 0)
		return STYLE_BAD;
	return strcmp(row->state, "running") != 0 ? STYLE_WARN : STYLE_PLAIN;
}

static void add_row(struct page *p, const struct top_row *row, struct widths w)
{
	struct buf line = { 0 };

	append_name(&line, p, row->name, w.name);
	append_cells(&line, row);
	if (w.spark) {
		buf_append_char(&line, ' ');
		top_sparkline(&line, row->rates, row->n_rates, w.spark, p->is_utf8);
	}
	page_add(p, &line, style_of(row));
}

static void add_titles(struct page *p, struct widths w)
{
	struct buf line = { 0 };

	page_append_padded(&line, slice_of("CONSUMER"), w.name, PAGE_LEFT);
	append_cells(&line, NULL);
	if (w.spark)
		buf_append_text(&line, " 5 MINUTES");
	page_add(p, &line, STYLE_BOLD);
}

static void append_totals(struct buf *to, const struct top_model *m)
{
	struct figure_sum lag = { true, 0 }, pending = { true, 0 };
	uint64_t n_running = 0, n_held = 0;
	double rate = 0;

	for (size_t i = 0; i < m->n_rows; i++) {
		const struct top_row *row = m->rows[i];

		rate += row->has_rate ? row->rate : 0;
		lag.is_known &= row->lag.is_known;
		lag.value += row->lag.value;
		pending.is_known &= row->pending.is_known;
		pending.value += row->pending.value;
		n_running += row->n_running;
		n_held += row->n_held;
	}
	buf_printf(to, "%zu consumers, ", m->n_rows);
	append_rate(to, rate);
	buf_append_text(to, "/s, lag ");
	append_figure(to, lag);
	buf_append_text(to, ", pending ");
	append_figure(to, pending);
	buf_append_text(to, ", held ");
	top_count(to, n_held);
	buf_append_text(to, ", running ");
	top_count(to, n_running);
}

static void add_head(const struct top_model *m, const struct top_look *look, struct page *p)
{
	struct buf totals = { 0 };

	page_text(p, STYLE_BOLD, m->head ? m->head : "sluiced");
	if (look->away) {
		page_text(p, STYLE_BAD, look->away);
	} else {
		append_totals(&totals, m);
		page_add(p, &totals, STYLE_PLAIN);
	}
}

/* The least that first has to be moved for the chosen one to be among n. */
static size_t scrolled(size_t first, size_t chosen, size_t n)
{
	if (chosen < first)
		return chosen;
	return n && chosen >= first + n ? chosen - n + 1 : first;
}

void top_layout_list(const struct top_model *m, struct top_look *look, struct page *page)
{
	struct widths w = share_out(m, page->n_columns);
	size_t n, chosen = top_model_chosen(m);
	struct buf keys = { 0 };

	add_head(m, look, page);
	add_titles(page, w);
	n = page_room(page);
	if (chosen < m->n_rows)
		look->first = scrolled(look->first, chosen, n);
	for (size_t i = look->first; i < m->n_rows && i < look->first + n; i++) {
		add_row(page, m->rows[i], w);
		page->lines[page->len - 1].is_chosen = i == chosen;
	}
	buf_printf(&keys,
	    "jk choose  Enter look into  p pause  r resume  s sort (%s)  ? help  q leave",
	    top_sort_word(m->sort));
	buf_append_char(&keys, '\0');
	page_foot(page, look->message ? STYLE_BOLD : STYLE_DIM,
	    look->message ? look->message : buf_data(&keys));
	buf_done(&keys);
}
