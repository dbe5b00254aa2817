/* SPDX-License-Identifier: MIT */
#include "latency.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 1000000 };

static int64_t took_ns[MOST];
static size_t n_taken;

int64_t latency_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void latency_record(int64_t arrived_ns, struct slice t)
{
	int64_t added_ns = 0;

	for (size_t i = 0; i < t.len && t.data[i] >= '0' && t.data[i] <= '9'; i++)
		added_ns = 10 * added_ns + (t.data[i] - '0');
	if (!added_ns || n_taken == MOST) {
		fprintf(stderr, "no time in an entry, or too many entries\n");
		exit(1);
	}
	took_ns[n_taken++] = arrived_ns - added_ns;
}

static int by_value(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void latency_report(const char *path)
{
	const size_t first = n_taken / 10, n = n_taken - first;
	const int64_t *sorted = took_ns + first;
	FILE *file = fopen(path, "w");

	if (!file || !n) {
		perror(path);
		exit(1);
	}
	qsort(took_ns + first, n, sizeof(*sorted), by_value);
	fprintf(file, "{\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
	    (double)sorted[n / 2] / 1000, (double)sorted[n * 9 / 10] / 1000,
	    (double)sorted[n * 99 / 100] / 1000, (double)sorted[n - 1] / 1000);
	if (fclose(file)) {
		perror(path);
		exit(1);
	}
}
