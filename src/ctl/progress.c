/* SPDX-License-Identifier: MIT */
#include "ctl/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "ctl/output.h"

enum { SHOW_EVERY_MS = 100, BAR_WIDTH = 24 };

void progress_begin(struct progress *p, const char *what, uint64_t total)
{
	*p = (struct progress){
		.what = what,
		.total = total,
		.started_at_ms = clock_mono_ms(),
		.is_shown = isatty(STDERR_FILENO),
	};
}

void progress_share(struct progress *p, uint64_t part, uint64_t whole)
{
	p->part = part < whole ? part : whole;
	p->whole = whole;
}

static void append_bar(struct buf *line, uint64_t done, uint64_t total)
{
	uint64_t full = done * BAR_WIDTH / total;

	buf_append_char(line, '[');
	for (uint64_t i = 0; i < BAR_WIDTH; i++)
		buf_append_char(line, i < full ? '#' : ' ');
	buf_printf(line, "] %3llu%%  ", (unsigned long long)(done * 100 / total));
}

static uint64_t rate_of(uint64_t n, uint64_t took_ms)
{
	return took_ms ? n * 1000 / took_ms : 0;
}

static void show(struct progress *p)
{
	uint64_t took_ms = p->shown_at_ms - p->started_at_ms;
	uint64_t whole = p->whole ? p->whole : p->total;
	uint64_t part = p->whole ? p->part : p->n_done < whole ? p->n_done : whole;
	uint64_t rate = rate_of(part, took_ms);
	struct buf line = { 0 };

	if (whole)
		append_bar(&line, part, whole);
	buf_printf(&line, "%llu %s, %llu/s", (unsigned long long)p->n_done, p->what,
	    (unsigned long long)rate_of(p->n_done, took_ms));
	if (whole && rate) {
		buf_append_text(&line, ", ");
		human_duration(&line, (whole - part) * 1000 / rate);
		buf_append_text(&line, " left");
	}
	fprintf(stderr, "\r\033[K%.*s", (int)buf_len(&line), buf_data(&line));
	fflush(stderr);
	buf_done(&line);
}

void progress_add(struct progress *p, uint64_t n)
{
	uint64_t now_ms;

	p->n_done += n;
	if (!p->is_shown)
		return;
	now_ms = clock_mono_ms();
	if (now_ms - p->shown_at_ms < SHOW_EVERY_MS)
		return;
	p->shown_at_ms = now_ms;
	show(p);
}

void progress_end(struct progress *p)
{
	if (p->is_shown && p->shown_at_ms) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
}
