/* SPDX-License-Identifier: MIT */
/*
 * What `top` knows: the consumers of the daemon's status, and how they have changed from one status
 * to the next. Pure: time comes in as an argument, and nothing is asked.
 */
#ifndef SLUICED_CTL_TOPMODEL_H
#define SLUICED_CTL_TOPMODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/histogram.h"
#include "ctl/figuresum.h"

enum {
	TOP_RATES = 300,    /* one a second: what the sparkline shows */
	TOP_SNAPSHOTS = 13, /* one in five seconds: figures of the last minute are differences */
	TOP_SNAPSHOT_MS = 5000,
	TOP_TOTALS = 6, /* one a second: the rate is that of five seconds */
};

/* Counters at a moment. */
struct top_snapshot {
	uint64_t at_ms, n_failures, counts[HISTOGRAM_BOUNDS + 1];
};

struct top_total {
	uint64_t at_ms, n_acked;
};

struct top_row {
	char *name, *group, *consumer, *state, *breaker, *obstacle; /* obstacle: "" or the first */
	bool is_connected, is_seen; /* is_seen: it is in the last status */
	struct figure_sum lag, pending;
	uint64_t n_running, n_held;
	json_t *detail; /* its object in the status */

	bool has_rate, has_handler;
	double rate;               /* acknowledged a second */
	uint64_t n_failures;       /* of runs, in the last minute */
	uint64_t p50_ms, p99_ms;   /* of the handler, in the last minute; has_handler */
	uint64_t longest_known_ms; /* what is longer is not told apart */

	struct top_total totals[TOP_TOTALS];
	struct top_snapshot snapshots[TOP_SNAPSHOTS];
	size_t n_totals, n_snapshots; /* the latest is the last one */
	double rates[TOP_RATES];
	size_t n_rates;
};

enum top_sort { TOP_BY_NAME, TOP_BY_RATE, TOP_BY_LAG, TOP_BY_PENDING, TOP_BY_FAILURES, TOP_BY_P99 };
#define TOP_SORTS 6

struct top_model {
	struct top_row **rows; /* sorted */
	size_t n_rows, cap;
	enum top_sort sort;
	char *chosen; /* its name; NULL: nothing is there to choose */
	char *head;   /* a line on the daemon; NULL before the first status */
	uint64_t started_ms;
};

void top_model_init(struct top_model *m);
void top_model_done(struct top_model *m);

/* Takes a status in. Consumers that are in it no more are dropped. */
void top_model_take(struct top_model *m, const json_t *status, uint64_t now_ms);

void top_model_sort(struct top_model *m, enum top_sort sort);
const char *top_sort_word(enum top_sort sort);

/* Chooses the row so many below (or above, negative); stops at the ends. */
void top_model_move(struct top_model *m, int by);

/* Of the chosen row; n_rows where there is none. */
size_t top_model_chosen(const struct top_model *m);

/* The value that a share q of what was counted does not exceed, reckoned within its bucket; counts
 * are those of a histogram with these bounds. False when nothing was counted. */
bool top_quantile_ms(const uint64_t counts[HISTOGRAM_BOUNDS + 1],
    const uint64_t bounds_ms[HISTOGRAM_BOUNDS], double q, uint64_t *ret_ms);

#endif
