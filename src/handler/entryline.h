/* SPDX-License-Identifier: MIT */
/*
 * An entry as a handler gets it: one line of JSON. Written straight into the buffer it is sent
 * from; on the usual path (UTF-8, names all different) nothing is allocated.
 */
#ifndef SLUICED_HANDLER_ENTRYLINE_H
#define SLUICED_HANDLER_ENTRYLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "core/entry.h"
#include "core/fields.h"

/* What the lines of a pool have in common: max_attempts, and deadline_ms for a millisecond. */
struct entryline {
	uint64_t max_attempts;
	bool batches; /* lines say "more":true until entryline_last() */
	uint64_t deadline_ms;
	char tail[96]; /* ,"max_attempts":5,"deadline_ms":1717200030000,"more":false */
	size_t tail_len;
};

void entryline_init(struct entryline *l, uint64_t max_attempts, bool batches);

/* From now on the lines carry this deadline. */
void entryline_set_deadline(struct entryline *l, uint64_t deadline_ms);

/* Appends the line of e, newline included, and returns the length of what follows `more`'s value:
 * entryline_last() wants it. */
size_t entryline_append(const struct entryline *l, struct buf *to, const struct entry *e,
    const struct fields *f);

/* Makes the last line of `to`, which was written with `batches`, say "more":false. */
void entryline_last(struct buf *to, size_t len_after_more);

#endif
