/* SPDX-License-Identifier: MIT */
/*
 * The server's own ceiling: a client that reads entries and acknowledges them by copying the frames
 * of their ids, and does nothing else with them. It also fills streams.
 *
 *	limit SOCKET fill ENTRIES small|large
 *	limit SOCKET drain
 *
 * The stream, the group and the consumer are all called "bench". `drain` never ends by itself:
 *whoever measures it watches the group.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "resp.h"

enum { FILL_BATCH = 500, READS_OUTSTANDING = 2 };

static const char *const small_entry[] = { "XADD", "bench", "*", "field00001", "value00001",
	"field00002", "value00002", "field00003", "value00003", "field00004", "value00004",
	"field00005", "value00005" };

static char kibibyte[1025];
static const char *const large_entry[] = { "XADD", "bench", "*", "payload", kibibyte };

static void fill(struct resp *r, long entries, bool large)
{
	struct buf batch = { 0 };
	long n;

	memset(kibibyte, 'x', sizeof(kibibyte) - 1);
	for (; entries > 0; entries -= n) {
		n = entries < FILL_BATCH ? entries : FILL_BATCH;
		buf_clear(&batch);
		for (long i = 0; i < n; i++) {
			if (large)
				resp_command(&batch, ARRAY_LEN(large_entry), large_entry);
			else
				resp_command(&batch, ARRAY_LEN(small_entry), small_entry);
		}
		resp_send(r, buf_slice(&batch));
		for (long i = 0; i < n; i++)
			resp_next(r);
	}
	buf_done(&batch);
}

static const char *const waiting_words[] = { "XREADGROUP", "GROUP", "bench", "bench", "COUNT",
	"500", "BLOCK", "0", "STREAMS", "bench", ">" };
static const char *const read_words[] = { "XREADGROUP", "GROUP", "bench", "bench", "COUNT", "500",
	"STREAMS", "bench", ">" };

/* Appends an XACK for every entry of the reply: *1, *2, the stream's name, then *N entries that are
 * *2 each: the id, and the list of fields. */
static void acknowledge(struct buf *to, struct slice reply)
{
	const char *p = reply.data;
	long entries;

	resp_number(&p);
	resp_number(&p);
	resp_skip(&p);
	entries = resp_number(&p);
	resp_begin(to, 3 + (size_t)entries);
	buf_append_text(to, "$4\r\nXACK\r\n$5\r\nbench\r\n$5\r\nbench\r\n");
	while (entries--) {
		const char *id;

		resp_number(&p);
		id = p;
		resp_skip(&p);
		buf_append(to, id, (size_t)(p - id));
		resp_skip(&p);
	}
}

/* The next read, and the acknowledgement of what the last one brought, in one write. */
static void read_on(struct resp *r, struct slice read, struct slice reply)
{
	static struct buf out;

	buf_clear(&out);
	buf_append(&out, read.data, read.len);
	acknowledge(&out, reply);
	resp_send(r, buf_slice(&out));
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

static void drain(struct resp *r)
{
	struct buf waiting = { 0 }, read = { 0 };

	resp_command(&waiting, ARRAY_LEN(waiting_words), waiting_words);
	resp_command(&read, ARRAY_LEN(read_words), read_words);
	for (;;) {
		int outstanding = READS_OUTSTANDING;

		/* Alone: what came behind it would wait as well. */
		resp_send(r, buf_slice(&waiting));
		read_on(r, buf_slice(&read), next_entries(r));
		for (int i = 1; i < READS_OUTSTANDING; i++)
			resp_send(r, buf_slice(&read));
		while (outstanding) {
			struct slice reply = next_entries(r);

			if (reply.data[1] == '-')
				outstanding--;
			else
				read_on(r, buf_slice(&read), reply);
		}
	}
}

int main(int argc, char **argv)
{
	struct resp r;

	if (argc == 3 && strcmp(argv[2], "drain") == 0) {
		resp_connect(&r, argv[1]);
		drain(&r);
	}
	if (argc == 5 && strcmp(argv[2], "fill") == 0) {
		resp_connect(&r, argv[1]);
		fill(&r, atol(argv[3]), strcmp(argv[4], "large") == 0);
		return 0;
	}
	fprintf(stderr, "usage: limit SOCKET drain | limit SOCKET fill ENTRIES small|large\n");
	return 2;
}
