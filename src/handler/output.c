/* SPDX-License-Identifier: MIT */
#include "handler/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { LINES_PER_SECOND = 1000 };

void output_report(struct output *o)
{
	struct log_fields fields = { .consumer = o->consumer };

	ev_timer_stop(loop_ev(o->loop), &o->report);
	if (!o->n_dropped)
		return;
	log_event(LEVEL_WARNING, EVENT_OUTPUT, &fields,
	    "%llu lines of output dropped: more than %d in a second",
	    (unsigned long long)o->n_dropped, LINES_PER_SECOND);
	o->n_dropped = 0;
}

static void on_second_over(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	output_report(container_of(w, struct output, report));
}

void output_init(struct output *o, const struct output_settings *settings)
{
	*o = (struct output){
		.loop = settings->loop,
		.consumer = settings->consumer,
		.dropped_total = settings->dropped_total,
	};
	ev_init(&o->report, on_second_over);
}

void output_done(struct output *o)
{
	output_report(o);
	free(o->tail);
	o->tail = NULL;
	o->tail_len = 0;
}

static void drop(struct output *o)
{
	o->n_dropped++;
	(*o->dropped_total)++;
	if (!ev_is_active(&o->report))
		loop_timer_in(o->loop, &o->report, 1000);
}

void output_line(struct output *o, enum log_level level, const struct log_fields *fields,
    struct slice line)
{
	uint64_t now_ms = loop_now_ms(o->loop);

	if (now_ms - o->second_at_ms >= 1000) {
		o->second_at_ms = now_ms;
		o->n_lines = 0;
	}
	if (o->n_lines == LINES_PER_SECOND) {
		drop(o);
		return;
	}
	o->n_lines++;
	if (line.len > OUTPUT_LINE_MAX_BYTES)
		line.len = OUTPUT_LINE_MAX_BYTES;
	log_output(level, fields, line);
}

void output_tail_add(struct output *o, struct slice bytes)
{
	size_t keep;

	if (!o->tail)
		o->tail = xmalloc(STDERR_TAIL_BYTES);
	if (bytes.len > STDERR_TAIL_BYTES) {
		bytes.data += bytes.len - STDERR_TAIL_BYTES;
		bytes.len = STDERR_TAIL_BYTES;
	}
	keep = STDERR_TAIL_BYTES - bytes.len;
	if (keep > o->tail_len)
		keep = o->tail_len;
	memmove(o->tail, o->tail + o->tail_len - keep, keep);
	memcpy(o->tail + keep, bytes.data, bytes.len);
	o->tail_len = keep + bytes.len;
}

void output_tail_clear(struct output *o)
{
	o->tail_len = 0;
}

struct slice output_tail(const struct output *o)
{
	return (struct slice){ .data = o->tail, .len = o->tail_len };
}
