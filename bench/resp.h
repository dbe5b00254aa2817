/* SPDX-License-Identifier: MIT */
/* A blocking Redis client for benchmarks: it frames replies and parses nothing. Any failure ends
 * the program. */
#ifndef SLUICED_BENCH_RESP_H
#define SLUICED_BENCH_RESP_H

#include "base/buf.h"
#include "base/slice.h"

struct resp {
	int fd;
	struct buf in;
	size_t scanned;     /* bytes of `in` that are framed */
	size_t values_left; /* of the reply being framed */
	size_t taken;       /* length of the reply that the caller has */
};

void resp_connect(struct resp *r, const char *socket_path);

void resp_send(struct resp *r, struct slice bytes);

/* The next whole reply as it came, valid until the next call. */
struct slice resp_next(struct resp *r);

/* Texts of a command, which somebody else owns. */
struct words {
	size_t n;
	const char *const *of;
};

/* Appends the head of a command of n words, which the caller appends: */
void resp_begin(struct buf *to, size_t n);
void resp_words(struct buf *to, struct words words);

/* Appends a whole command. */
void resp_command(struct buf *to, struct words words);

/* Steps over the line "<type><number>\r\n" that *p points at. */
long resp_number(const char **p);

/* Steps over one whole value. */
void resp_skip(const char **p);

#endif
