/* SPDX-License-Identifier: MIT */
/*
 * What a handler says: one line of the verdict channel, decoded. Pure; lines come from outside and
 * may hold anything.
 */
#ifndef SLUICED_HANDLER_VERDICTLINE_H
#define SLUICED_HANDLER_VERDICTLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "core/verdict.h"

enum { VERDICT_LINE_MAX_BYTES = 64 * 1024 };

enum verb {
	VERB_OK,
	VERB_RETRY,
	VERB_DEAD,
	VERB_DROP,
	VERB_RELEASE,
	VERB_WORKING,
	VERB_READY,
	VERB_PAUSE,
	VERB_RETIRE,
	VERB_BROKEN,
	VERB_COUNT
};

/* Which tags a line carries. */
enum tag_rule {
	TAGS_REQUIRED, /* a window over 1 */
	TAGS_OPTIONAL, /* a window of 1: a first word of digits is a tag, none means the one entry
	                */
	TAGS_NONE,     /* exec mode: digits belong to the reason */
};

struct verdict_line {
	enum verb verb;
	struct slice tags; /* decimal words for verdict_line_next_tag(); empty when left out */
	bool has_delay;
	uint64_t delay_ms;   /* retry with has_delay; pause */
	struct slice reason; /* as written: verdict_reason() decodes it */
};

/*
 * `line` comes without its newline; white space at its end is ignored. 0, or -EINVAL when it is no
 * verdict. In exec mode `ok`, `release` and `working` may be followed by digits, which are ignored:
 * a handler that serves both modes may name its tag, and must not be taken for one that said
 * nothing.
 */
int verdict_line_parse(struct slice line, enum tag_rule rule, struct verdict_line *ret) MUST_CHECK;

/* Takes the next tag off tags, or returns false. */
bool verdict_line_next_tag(struct slice *tags, uint64_t *ret_tag);

/* The text of a reason: the value of a JSON string, or else the bytes as they are. A NUL is \x00,
 * as in the log: it would be the end of the text where that is kept or logged. The result points
 * into raw or into scratch, which is overwritten. */
struct slice verdict_reason(struct slice raw, struct buf *scratch);

/* Whether the verb ends a hand-over. */
bool verb_is_terminal(enum verb v);

/* The outcome of a terminal verb; what is known of the process is left empty. The detail is as in
 * verdict_reason(). */
void verdict_line_outcome(const struct verdict_line *v, struct buf *scratch,
    struct outcome *ret_outcome);

#endif
