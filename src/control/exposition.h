/* SPDX-License-Identifier: MIT */
/* Metrics in the text format 0.0.4 of Prometheus. */
#ifndef SLUICED_CONTROL_EXPOSITION_H
#define SLUICED_CONTROL_EXPOSITION_H

#include <stdint.h>

#include "base/buf.h"
#include "core/histogram.h"

enum exposition_type { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM };

/* The value is text of any kind. */
struct label {
	const char *name, *value;
};

/* Labels end with one whose name is NULL. */
enum { LABELS_MAX = 6 };
struct labels {
	struct label items[LABELS_MAX + 1];
};

/* Begins a family; all samples of it follow. */
void exposition_family(struct buf *to, const char *name, enum exposition_type type,
    const char *help);

void exposition_u64(struct buf *to, const char *name, const struct labels *labels, uint64_t value);

/* A number of milliseconds, in seconds. */
void exposition_ms(struct buf *to, const char *name, const struct labels *labels, uint64_t ms);

/* The samples of a histogram: its buckets, sum and count. */
void exposition_histogram(struct buf *to, const char *name, const struct labels *labels,
    const uint64_t bounds_ms[], const struct histogram *h);

#endif
