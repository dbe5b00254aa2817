/* SPDX-License-Identifier: MIT */
/*
 * The floor of latency: a blocking loop on one connection whose handler is in the same process. It
 * writes its percentiles when it has seen so many entries, and then stands still, so that its CPU
 * time can still be read.
 *
 *	floor SOCKET ENTRIES FILE
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/compiler.h"
#include "latency.h"
#include "resp.h"

static const char *const read_words[] = { "XREADGROUP", "GROUP", "bench", "bench", "COUNT", "100",
	"BLOCK", "0", "STREAMS", "bench", ">" };

/* Steps over one entry, *2: its id, and its fields, of which the first is `t`. Appends the id. */
static void handle(const char **p, int64_t now_ns, struct buf *ids)
{
	const char *id, *fields;

	resp_number(p);
	id = *p;
	resp_skip(p);
	buf_append(ids, id, (size_t)(*p - id));
	fields = *p;
	resp_skip(p);
	resp_number(&fields);
	resp_skip(&fields);
	resp_number(&fields);
	latency_record(now_ns, (struct slice){ fields, (size_t)(*p - fields) });
}

/* Reads what is there and acknowledges it; returns how many entries that were. */
static long turn(struct resp *r, struct slice read, struct buf *ack)
{
	struct slice reply;
	const char *p;
	int64_t now_ns;
	long n;

	resp_send(r, read);
	reply = resp_next(r);
	now_ns = latency_now_ns();
	p = reply.data;
	resp_number(&p);
	resp_number(&p);
	resp_skip(&p);
	n = resp_number(&p);
	buf_clear(ack);
	resp_begin(ack, 3 + (size_t)n);
	buf_append_text(ack, "$4\r\nXACK\r\n$5\r\nbench\r\n$5\r\nbench\r\n");
	for (long i = 0; i < n; i++)
		handle(&p, now_ns, ack);
	resp_send(r, buf_slice(ack));
	resp_next(r);
	return n;
}

int main(int argc, char **argv)
{
	struct buf read = { 0 }, ack = { 0 };
	struct resp r;

	if (argc != 4) {
		fprintf(stderr, "usage: floor SOCKET ENTRIES FILE\n");
		return 2;
	}
	resp_connect(&r, argv[1]);
	resp_command(&read, (struct words){ ARRAY_LEN(read_words), read_words });
	for (long left = atol(argv[2]); left > 0;)
		left -= turn(&r, buf_slice(&read), &ack);
	latency_report(argv[3]);
	for (;;)
		pause();
}
