/* SPDX-License-Identifier: MIT */
/* One consumer, as `top` shows it: its figures, its streams, and what is pending in its group. */
#include <string.h>

#include "base/text.h"
#include "ctl/jsonget.h"
#include "ctl/toplayout.h"

static void add_held(struct page *p, const struct top_row *row)
{
	json_t *held = json_object_get(row->detail, "held");
	struct buf line = { 0 };

	buf_append_text(&line, "held:");
	for (void *i = json_object_iter(held); i; i = json_object_iter_next(held, i))
		buf_printf(&line, "  %s %llu", json_object_iter_key(i),
		    (unsigned long long)get_count(held, json_object_iter_key(i)));
	page_add(p, &line, STYLE_PLAIN);
}

static void append_ms(struct buf *to, const char *what, const struct top_row *row, uint64_t ms)
{
	buf_append_text(to, what);
	if (row->has_handler)
		top_duration(to, ms);
	else
		buf_append_char(to, '-');
}

static void add_handler(struct page *p, const struct top_row *row)
{
	const json_t *h = json_object_get(row->detail, "handler");
	struct buf line = { 0 };

	buf_printf(&line,
	    "handler: %s, concurrency %llu, window %llu; last minute:", get_text(h, "mode"),
	    (unsigned long long)get_count(h, "concurrency"),
	    (unsigned long long)get_count(h, "window"));
	append_ms(&line, " p50 ", row, row->p50_ms);
	append_ms(&line, ", p99 ", row, row->p99_ms);
	buf_printf(&line, ", %llu failed", (unsigned long long)row->n_failures);
	page_add(p, &line, STYLE_PLAIN);
}

static void add_rate(struct page *p, const struct top_row *row)
{
	static const char title[] = "acknowledged: ";
	struct buf line = { 0 };
	size_t width = p->n_columns > sizeof(title) + 10 ? p->n_columns - sizeof(title) - 10 : 0;

	buf_printf(&line, "%s%.1f/s ", title, row->has_rate ? row->rate : 0.0);
	if (width)
		top_sparkline(&line, row->rates, row->n_rates, width, p->is_utf8);
	page_add(p, &line, STYLE_PLAIN);
}

static void append_number(struct buf *to, const json_t *object, const char *key, size_t width)
{
	struct buf cell = { 0 };
	uint64_t value;

	if (get_u64(object, key, &value))
		top_count(&cell, value);
	else
		buf_append_char(&cell, '-');
	buf_append_char(to, ' ');
	page_append_padded(to, buf_slice(&cell), width, PAGE_RIGHT);
	buf_done(&cell);
}

static void append_age(struct buf *to, const json_t *object, const char *key, size_t width)
{
	struct buf cell = { 0 };
	uint64_t ms;

	if (get_u64(object, key, &ms))
		top_duration(&cell, ms);
	else
		buf_append_char(&cell, '-');
	buf_append_char(to, ' ');
	page_append_padded(to, buf_slice(&cell), width, PAGE_RIGHT);
	buf_done(&cell);
}

static void append_name(struct buf *to, const char *name, size_t width)
{
	struct buf text = { 0 };

	text_append_printable(&text, slice_of(name));
	page_append_padded(to, buf_slice(&text), width, PAGE_LEFT);
	buf_done(&text);
}

/* What the columns of numbers leave. */
static size_t name_width(const struct page *p)
{
	return p->n_columns > 60 ? p->n_columns - 54 : 20;
}

static void add_stream(struct page *p, const json_t *stream)
{
	const json_t *connected = json_object_get(stream, "connected");
	bool is_up = get_bool(connected, "reader") && get_bool(connected, "command");
	struct buf line = { 0 };

	append_name(&line, get_text(stream, "stream"), name_width(p));
	append_number(&line, stream, "held", 6);
	append_number(&line, stream, "length", 7);
	append_number(&line, stream, "lag", 6);
	append_number(&line, stream, "pending", 7);
	append_age(&line, stream, "oldest_pending_ms", 6);
	append_number(&line, stream, "dead_letter_length", 6);
	buf_printf(&line, "  %s", is_up ? "" : "no conn");
	page_add(p, &line, is_up ? STYLE_PLAIN : STYLE_BAD);
}

/* A third of the page at most: entries come below. */
static void add_streams(struct page *p, const struct top_row *row)
{
	const json_t *streams = json_object_get(row->detail, "streams");
	size_t n = json_array_size(streams), most = p->n_rows / 3 + 1;
	struct buf titles = { 0 };

	append_name(&titles, "STREAM", name_width(p));
	buf_append_text(&titles, "   HELD  LENGTH    LAG PENDING OLDEST   DEAD");
	page_add(p, &titles, STYLE_BOLD);
	for (size_t i = 0; i < n && i < most; i++)
		add_stream(p, json_array_get(streams, i));
	if (n > most)
		page_format(p, STYLE_DIM, "and %zu more", n - most);
}

static void add_entry(struct page *p, const struct top_row *row, const json_t *entry)
{
	const char *owner = get_text(entry, "consumer");
	struct buf line = { 0 };

	append_name(&line, get_text(entry, "id"), 22);
	append_age(&line, entry, "age_ms", 6);
	append_age(&line, entry, "idle_ms", 6);
	append_number(&line, entry, "deliveries", 5);
	buf_append_text(&line, "  ");
	append_name(&line, *owner ? owner : "-", 24);
	if (json_array_size(json_object_get(row->detail, "streams")) > 1) {
		buf_append_char(&line, ' ');
		append_name(&line, get_text(entry, "stream"), p->n_columns);
	}
	page_add(p, &line, strcmp(owner, row->consumer) == 0 ? STYLE_PLAIN : STYLE_DIM);
}

static void add_entries(struct page *p, const struct top_row *row, struct top_look *look)
{
	size_t n = json_array_size(look->pending), n_shown;

	page_text(p, STYLE_PLAIN, "");
	if (look->pending_error) {
		page_format(p, STYLE_DIM, "Pending entries are not shown: %s", look->pending_error);
		return;
	}
	if (!look->pending) {
		page_text(p, STYLE_DIM, "Pending entries: ...");
		return;
	}
	page_text(p, STYLE_BOLD, "PENDING ENTRY             AGE   IDLE  RUNS  CONSUMER");
	n_shown = page_room(p);
	if (look->first + n_shown > n)
		look->first = n > n_shown ? n - n_shown : 0;
	for (size_t i = look->first; i < n && i < look->first + n_shown; i++)
		add_entry(p, row, json_array_get(look->pending, i));
	if (!n)
		page_text(p, STYLE_DIM, "none");
}

static void add_state(struct page *p, const struct top_row *row)
{
	page_format(p, STYLE_BOLD, "%s: group %s, as %s; %s, breaker %s", row->name, row->group,
	    row->consumer, row->state, row->breaker);
	if (*row->obstacle)
		page_text(p, STYLE_BAD, row->obstacle);
}

void top_layout_consumer(const struct top_row *row, struct top_look *look, struct page *page)
{
	add_state(page, row);
	if (look->away)
		page_text(page, STYLE_BAD, look->away);
	add_held(page, row);
	add_handler(page, row);
	add_rate(page, row);
	page_text(page, STYLE_PLAIN, "");
	add_streams(page, row);
	add_entries(page, row, look);
	page_foot(page, look->message ? STYLE_BOLD : STYLE_DIM,
	    look->message ? look->message : "jk scroll  p pause  r resume  ? help  q back");
}

void top_layout_help(struct page *page)
{
	static const char *const lines[] = {
		"j k, arrows, PgUp PgDn, Home End   choose a consumer; scroll its entries",
		"Enter      one consumer: what it holds, its streams, what is pending",
		"q, Esc     back; in the list, leave",
		"p          pause: nothing is read or started, what runs finishes",
		"r          resume",
		"s          sort by the next column",
		"",
		"RATE/s     entries acknowledged as done, of the last 5 seconds",
		"LAG PEND   of the group, as Redis tells them every 10 seconds; - not known",
		"RUN        entries that handlers have now",
		"FAIL       failed runs of the last minute",
		"P50 P99    how long runs of the last minute took",
		"5 MINUTES  the rate, each line scaled by its own highest",
	};

	page_text(page, STYLE_BOLD, "sluicectl top");
	page_text(page, STYLE_PLAIN, "");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		page_text(page, STYLE_PLAIN, lines[i]);
	page_foot(page, STYLE_DIM, "any key: back");
}
