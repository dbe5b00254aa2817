/* SPDX-License-Identifier: MIT */
/*
 * The server's own ceiling: a client that reads entries and acknowledges them by copying the frames
 * of their ids, and does nothing else with them. It also fills streams.
 *
 *	limit SOCKET fill STREAM ENTRIES NAME VALUE [NAME VALUE…]
 *	limit SOCKET drain COUNT STREAM…
 *
 * The group and the consumer are both called "bench". `drain` never ends by itself: whoever
 *measures it watches the groups.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "resp.h"

enum { FILL_BATCH = 500, FILL_BYTES = 1024 * 1024, READS_OUTSTANDING = 2 };

static void add_entries(struct resp *r, struct slice entry, long n)
{
	static struct buf batch;

	buf_clear(&batch);
	for (long i = 0; i < n; i++)
		buf_append(&batch, entry.data, entry.len);
	resp_send(r, buf_slice(&batch));
	for (long i = 0; i < n; i++)
		resp_next(r);
}

static void fill(struct resp *r, const char *stream, long entries, struct words fields)
{
	const char *const head[] = { "XADD", stream, "*" };
	struct buf entry = { 0 };
	long n, most;

	resp_begin(&entry, ARRAY_LEN(head) + fields.n);
	resp_words(&entry, (struct words){ ARRAY_LEN(head), head });
	resp_words(&entry, fields);
	most = FILL_BYTES / (long)buf_len(&entry) + 1;
	if (most > FILL_BATCH)
		most = FILL_BATCH;
	for (; entries > 0; entries -= n) {
		n = entries < most ? entries : most;
		add_entries(r, buf_slice(&entry), n);
	}
	buf_done(&entry);
}

struct drain {
	struct resp *r;
	const char *count;
	struct words streams;
	size_t next; /* of the streams, to be read */
};

/* The words in the middle make it wait for entries, or are none. */
static void append_read(struct drain *d, struct buf *to, struct words waiting)
{
	const char *const head[] = { "XREADGROUP", "GROUP", "bench", "bench", "COUNT", d->count };
	const char *const tail[] = { "STREAMS", d->streams.of[d->next], ">" };

	d->next = (d->next + 1) % d->streams.n;
	resp_begin(to, ARRAY_LEN(head) + waiting.n + ARRAY_LEN(tail));
	resp_words(to, (struct words){ ARRAY_LEN(head), head });
	resp_words(to, waiting);
	resp_words(to, (struct words){ ARRAY_LEN(tail), tail });
}

/* Appends an XACK for every entry of the reply: *1, *2, the stream's name, then *N entries that are
 * *2 each: the id, and the list of fields. */
static void append_ack(struct buf *to, struct slice reply)
{
	const char *p = reply.data, *name;
	size_t name_len;
	long entries;

	resp_number(&p);
	resp_number(&p);
	name = p;
	resp_skip(&p);
	name_len = (size_t)(p - name);
	entries = resp_number(&p);
	resp_begin(to, 3 + (size_t)entries);
	buf_append_text(to, "$4\r\nXACK\r\n");
	buf_append(to, name, name_len);
	buf_append_text(to, "$5\r\nbench\r\n");
	while (entries--) {
		const char *id;

		resp_number(&p);
		id = p;
		resp_skip(&p);
		buf_append(to, id, (size_t)(p - id));
		resp_skip(&p);
	}
}

/* The next read, and the acknowledgement of what a former one brought, in one write. */
static void read_on(struct drain *d, struct slice reply)
{
	static struct buf out;

	buf_clear(&out);
	append_read(d, &out, (struct words){ 0 });
	if (reply.len)
		append_ack(&out, reply);
	resp_send(d->r, buf_slice(&out));
}

/* The next answer to a read; numbers answer an XACK. */
static struct slice next_entries(struct resp *r)
{
	struct slice reply;

	do
		reply = resp_next(r);
	while (*reply.data == ':');
	return reply;
}

/* Alone: what came behind it would wait as well. */
static struct slice wait_for_entries(struct drain *d)
{
	static const char *const words[] = { "BLOCK", "0" };
	struct buf out = { 0 };

	d->next = 0;
	append_read(d, &out, (struct words){ ARRAY_LEN(words), words });
	resp_send(d->r, buf_slice(&out));
	buf_done(&out);
	return next_entries(d->r);
}

static bool is_empty(struct slice reply)
{
	return reply.data[1] == '-';
}

static void finish(struct drain *d, struct slice reply)
{
	struct buf out = { 0 };

	if (is_empty(reply))
		return;
	append_ack(&out, reply);
	resp_send(d->r, buf_slice(&out));
	buf_done(&out);
}

/* All streams in turn, until as many reads in a row as there are streams have brought nothing. */
static void drain_all(struct drain *d)
{
	size_t empty = 0;

	read_on(d, wait_for_entries(d));
	for (int i = 1; i < READS_OUTSTANDING; i++)
		read_on(d, (struct slice){ 0 });
	while (empty < d->streams.n) {
		struct slice reply = next_entries(d->r);

		empty = is_empty(reply) ? empty + 1 : 0;
		read_on(d, is_empty(reply) ? (struct slice){ 0 } : reply);
	}
	for (int i = 0; i < READS_OUTSTANDING; i++)
		finish(d, next_entries(d->r));
}

int main(int argc, char **argv)
{
	struct words rest = { argc > 4 ? (size_t)argc - 4 : 0, (const char *const *)argv + 4 };
	struct resp r;

	if (argc >= 5 && strcmp(argv[2], "drain") == 0) {
		struct drain d = { .r = &r, .count = argv[3], .streams = rest };

		resp_connect(&r, argv[1]);
		for (;;)
			drain_all(&d);
	}
	if (argc >= 7 && argc % 2 && strcmp(argv[2], "fill") == 0) {
		resp_connect(&r, argv[1]);
		fill(&r, argv[3], atol(argv[4]), (struct words){ rest.n - 1, rest.of + 1 });
		return 0;
	}
	fprintf(stderr, "usage: limit SOCKET drain COUNT STREAM... |"
	                " limit SOCKET fill STREAM ENTRIES NAME VALUE...\n");
	return 2;
}
