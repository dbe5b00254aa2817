/* SPDX-License-Identifier: MIT */
/*
 * A walk through the pending list, page by page. It ends at the id that was the list's last one
 * when the second page was due: while entries are read and acknowledged faster than the walk goes,
 * it would never come to the list's own end.
 *
 * It asks and is answered; when the next page is due is its user's business.
 */
#ifndef SLUICED_CONSUMER_PENDINGWALK_H
#define SLUICED_CONSUMER_PENDINGWALK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sweep.h"
#include "redis/reply.h"

struct stream;

/* A page that was asked for. NULL: it was refused, which has been reported. When the connection is
 * lost instead, nobody is called: the stream's home goes down. */
typedef void pendingwalk_fn(struct stream *s, const struct reply *rows);

/* Set up the first two, zero the rest. */
struct pendingwalk {
	const char *consumer; /* whose rows; NULL: everybody's */
	pendingwalk_fn *on_page;
	struct sweep sweep; /* may be ended, or put back to the start, by its user */
	bool asked;
	uint64_t asked_at_ms; /* the page */
};

/* Begins at the start, or above the cursor where the last walk has left one. */
void pendingwalk_begin(struct pendingwalk *w);

/* Asks for the next page. Nothing else of the walk is asked, and the stream's home is up. */
void pendingwalk_ask(struct stream *s, struct pendingwalk *w);

/* Behind a page that has been dealt with up to `last`: true when the walk goes on. */
bool pendingwalk_advance(struct pendingwalk *w, const struct reply *rows, struct entryid last);

#endif
