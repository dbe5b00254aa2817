/* SPDX-License-Identifier: MIT */
/*
 * Adds entries to the stream "bench", evenly spaced, each with the time at which it was sent in its
 * field `t`. Up to 10,000 a second they come one by one, above that several at a time; ENTRIES is
 * rounded up to that.
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

enum { MOST_TURNS = 10000 }; /* a second */

static void sleep_until(int64_t at_ns)
{
	const struct timespec t = { at_ns / 1000000000, at_ns % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void append_entry(struct buf *out)
{
	char now[24];
	const char *const words[] = { "XADD", "bench", "*", "t", now, "payload", "value00001" };

	snprintf(now, sizeof(now), "%lld", (long long)latency_now_ns());
	resp_command(out, (struct words){ ARRAY_LEN(words), words });
}

static void add_entries(struct resp *r, struct buf *out, long n)
{
	buf_clear(out);
	for (long i = 0; i < n; i++)
		append_entry(out);
	resp_send(r, buf_slice(out));
	for (long i = 0; i < n; i++)
		resp_next(r);
}

int main(int argc, char **argv)
{
	struct buf out = { 0 };
	struct resp r;
	int64_t start_ns;
	long rate, entries, at_once;

	if (argc != 4 || (rate = atol(argv[2])) < 1) {
		fprintf(stderr, "usage: pace SOCKET RATE ENTRIES\n");
		return 2;
	}
	entries = atol(argv[3]);
	at_once = (rate + MOST_TURNS - 1) / MOST_TURNS;
	resp_connect(&r, argv[1]);
	/* The kernel would otherwise let a sleep last 50 microseconds longer. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	start_ns = latency_now_ns();
	for (long i = 0; i < entries; i += at_once) {
		sleep_until(start_ns + i * 1000000000 / rate);
		add_entries(&r, &out, at_once);
	}
	buf_done(&out);
	return 0;
}
