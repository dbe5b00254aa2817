/* SPDX-License-Identifier: MIT */
/* The id of a stream entry: milliseconds and a sequence number, "1717200000000-0". */
#ifndef SLUICED_CORE_ENTRYID_H
#define SLUICED_CORE_ENTRYID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"

struct entryid {
	uint64_t ms, seq;
};

/* Room for the longest text and its terminator: two 20-digit numbers and the dash. */
enum { ENTRYID_TEXT_SIZE = 42 };

struct entryid_text {
	char text[ENTRYID_TEXT_SIZE];
};

/* Strict "MS-SEQ", as Redis prints it: 0, or -EINVAL. */
int entryid_parse(struct slice text, struct entryid *ret_id) MUST_CHECK;

/* Writes the text without a terminator to out (ENTRYID_TEXT_SIZE bytes) and returns its length. */
size_t entryid_format(struct entryid id, char *out);

/* The same as a string, for a log call: entryid_text(id).text */
struct entryid_text entryid_text(struct entryid id);

/* <0, 0, >0 */
int entryid_compare(struct entryid a, struct entryid b);

/* The id just below; 0-0 stays 0-0. */
struct entryid entryid_before(struct entryid id);

/* The id just above; the highest stays. */
struct entryid entryid_after(struct entryid id);

static inline bool entryid_is_zero(struct entryid id)
{
	return !id.ms && !id.seq;
}

#endif
