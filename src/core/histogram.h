/* SPDX-License-Identifier: MIT */
/*
 * How long things take, in fixed buckets. Feeding costs a few nanoseconds, because every entry goes
 * through several of them. Pure.
 */
#ifndef SLUICED_CORE_HISTOGRAM_H
#define SLUICED_CORE_HISTOGRAM_H

#include <stdint.h>

/* A power of two: the search halves it down to one. */
enum { HISTOGRAM_BOUNDS = 16 };

/* Zeroed: empty. counts[i] are the values up to bounds[i], and above the bound before it; the last
 * one is what is above all bounds. */
struct histogram {
	uint64_t counts[HISTOGRAM_BOUNDS + 1];
	uint64_t sum_ms;
};

/* 1 ms to 5 min, and 5 ms to a week. */
extern const uint64_t histogram_durations_ms[HISTOGRAM_BOUNDS];
extern const uint64_t histogram_ages_ms[HISTOGRAM_BOUNDS];

static inline void histogram_add(struct histogram *h, const uint64_t bounds_ms[], uint64_t value_ms)
{
	unsigned i = 0;

	for (unsigned half = HISTOGRAM_BOUNDS / 2; half; half /= 2)
		i += bounds_ms[i + half - 1] < value_ms ? half : 0;
	i += bounds_ms[i] < value_ms;
	h->counts[i]++;
	h->sum_ms += value_ms;
}

/* Of all values. */
uint64_t histogram_count(const struct histogram *h);

#endif
