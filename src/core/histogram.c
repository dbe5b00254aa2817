/* SPDX-License-Identifier: MIT */
#include "core/histogram.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

const uint64_t histogram_durations_ms[HISTOGRAM_BOUNDS] = { 1, 2, 5, 10, 20, 50, 100, 200, 500,
	SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE };

const uint64_t histogram_ages_ms[HISTOGRAM_BOUNDS] = { 5, 10, 50, 100, 500, SECOND, 5 * SECOND,
	10 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY };

uint64_t histogram_count(const struct histogram *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
		n += h->counts[i];
	return n;
}
