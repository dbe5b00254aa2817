/* SPDX-License-Identifier: MIT */
/*
 * Adds entries to the stream "bench" one by one, evenly spaced, each with the time at which it was
 * sent in its field `t`.
 *
 *	pace SOCKET RATE ENTRIES
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/compiler.h"
#include "latency.h"
#include "resp.h"

static void sleep_until(int64_t at_ns)
{
	const struct timespec t = { at_ns / 1000000000, at_ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void add_entry(struct resp *r, struct buf *out)
{
	char now[24];
	const char *const words[] = { "XADD", "bench", "*", "t", now, "payload", "value00001" };

	snprintf(now, sizeof(now), "%lld", (long long)latency_now_ns());
	buf_clear(out);
	resp_command(out, (struct words){ ARRAY_LEN(words), words });
	resp_send(r, buf_slice(out));
	resp_next(r);
}

int main(int argc, char **argv)
{
	struct buf out = { 0 };
	struct resp r;
	int64_t start_ns;
	long rate, entries;

	if (argc != 4 || (rate = atol(argv[2])) < 1) {
		fprintf(stderr, "usage: pace SOCKET RATE ENTRIES\n");
		return 2;
	}
	entries = atol(argv[3]);
	resp_connect(&r, argv[1]);
	/* The kernel would otherwise let a sleep last 50 microseconds longer. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	start_ns = latency_now_ns();
	for (long i = 0; i < entries; i++) {
		sleep_until(start_ns + i * 1000000000 / rate);
		add_entry(&r, &out);
	}
	buf_done(&out);
	return 0;
}
