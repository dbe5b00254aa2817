/* SPDX-License-Identifier: MIT */
/* How long entries took from their XADD to a handler. Whoever adds an entry writes the time into
 * its first field, `t`. Any failure ends the program. */
#ifndef SLUICED_BENCH_LATENCY_H
#define SLUICED_BENCH_LATENCY_H

#include <stdint.h>

#include "base/slice.h"

/* Now, on the clock that all processes of the machine share. */
int64_t latency_now_ns(void);

/* Takes down that an entry, added at the time that `t` begins with, was there at arrived_ns. */
void latency_record(int64_t arrived_ns, struct slice t);

/* Writes percentiles into a file, as one line of JSON. The first tenth, while everything warms up,
 * is left out. */
void latency_report(const char *path);

#endif
