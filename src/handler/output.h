/* SPDX-License-Identifier: MIT */
/*
 * What a handler prints, on its way to the log: no more than 1 000 lines a second of one process
 * are logged, the rest is counted; and the end of its standard error is remembered for the
 * dead-letter record.
 */
#ifndef SLUICED_HANDLER_OUTPUT_H
#define SLUICED_HANDLER_OUTPUT_H

#include <ev.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/slice.h"
#include "loop/loop.h"

enum { OUTPUT_LINE_MAX_BYTES = 8 * 1024, STDERR_TAIL_BYTES = 4 * 1024 };

struct output {
	struct loop *loop;
	const char *consumer;
	uint64_t *dropped_total;
	uint64_t second_at_ms; /* when the second began that is being counted */
	uint32_t n_lines;      /* in it */
	uint64_t n_dropped;
	ev_timer report;
	char *tail; /* the last of standard error; NULL before the first */
	size_t tail_len;
};

struct output_settings {
	struct loop *loop;
	const char *consumer;    /* kept, not copied */
	uint64_t *dropped_total; /* lines dropped are added here */
};

void output_init(struct output *o, const struct output_settings *settings);
void output_done(struct output *o);

/* Logs a line, or counts it. */
void output_line(struct output *o, enum log_level level, const struct log_fields *fields,
    struct slice line);

/* Says how many lines were dropped, if any were. */
void output_report(struct output *o);

void output_tail_add(struct output *o, struct slice bytes);
void output_tail_clear(struct output *o);
struct slice output_tail(const struct output *o);

#endif
