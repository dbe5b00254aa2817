/* SPDX-License-Identifier: MIT */
/*
 * For servers whose ACL allows no scripts: the look that every script takes before it acts, by
 * plain commands. What is then done follows a round trip later, in which another may claim the
 * entry: that race is what scripts are for, and is said so in the log.
 */
#ifndef SLUICED_CONSUMER_LOOK_H
#define SLUICED_CONSUMER_LOOK_H

#include "consumer/stream.h"

enum look_answer {
	LOOK_OURS,
	LOOK_ANOTHERS,
	LOOK_NOBODYS,
	LOOK_GONE,   /* pending, ours or not, but its data is no more */
	LOOK_FAILED, /* no connection, or an error that has been reported */
};

struct look {
	struct entryid id;
	enum look_answer answer;
	struct pending_row row;     /* of what is pending */
	const struct reply *fields; /* LOOK_OURS, LOOK_ANOTHERS: borrowed for the call */
	uint64_t asked_at_ms;
};

typedef void look_fn(struct stream *s, const struct look *l);

/* then is called once, from the loop. */
void look_at(struct stream *s, struct entryid id, look_fn *then);

/* An XCLAIM of one entry to our own name that counts no delivery. */
struct look_claim {
	struct entryid id;
	uint64_t min_idle_ms;
	const char *const *words; /* that follow the id, e.g. "RETRYCOUNT", "3", NULL */
};

void look_claim(struct stream *s, const struct look_claim *claim, reply_fn *on_reply,
    void *request);

/* An on_reply for whom it is enough that an error is reported. */
void look_claim_told(void *owner, void *request, const struct reply *r);

#endif
