/* SPDX-License-Identifier: MIT */
/*
 * The standard input of one worker: lines are gathered during a turn of the loop and written
 * together before it sleeps, or as the pipe takes them.
 */
#ifndef SLUICED_HANDLER_FEED_H
#define SLUICED_HANDLER_FEED_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "handler/entryline.h"
#include "loop/loop.h"

enum feed_event {
	FEED_LOST, /* the worker has closed its standard input */
	FEED_ROOM, /* a feed that was full takes lines again */
};

struct feed {
	struct loop *loop;
	int fd; /* -1: closed */
	bool closing;
	bool full; /* too much is waiting to be written */
	bool says_more;
	size_t len_after_more; /* of the last line */
	uint64_t sent_bytes;
	struct buf out;
	ev_io io;
	struct deferred flush;
	void (*on_event)(struct feed *f, enum feed_event event);
};

void feed_init(struct feed *f, struct loop *loop,
    void (*on_event)(struct feed *f, enum feed_event event));

/* Takes over fd, which does not block. */
void feed_open(struct feed *f, int fd);

/* Asks for a larger pipe where the consumer has few workers. */
void feed_widen(struct feed *f, uint32_t n_workers);

/* Appends the line of e and returns where it begins in all that was ever sent. */
uint64_t feed_entry(struct feed *f, const struct entryline *l, const struct entry *e,
    const struct fields *fields);

/* End of file once everything is written. */
void feed_finish(struct feed *f);

/* How far the worker has read: the place of the first byte that nobody has taken. */
uint64_t feed_read_to(const struct feed *f);

/* Closes at once and forgets what was not written. */
void feed_close(struct feed *f);

/* Gives memory back that a quiet worker does not need. */
void feed_trim(struct feed *f);

#endif
