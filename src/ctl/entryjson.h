/* SPDX-License-Identifier: MIT */
/* A line of JSON to the payload of an entry: what handlers are given, read back. */
#ifndef SLUICED_CTL_ENTRYJSON_H
#define SLUICED_CTL_ENTRYJSON_H

#include "base/buf.h"
#include "base/compiler.h"
#include "core/fields.h"

struct json_t; /* jansson's */

/* Zeroed at first, used again and again. */
struct entryjson {
	struct fields fields; /* good until the next one is read */

	struct json_t *root;
	struct slice *slices;
	size_t n, cap;
	struct buf bytes; /* what was base64 */
	struct buf why;
};

/*
 * Reads an object in the form of the protocol's `fields`; or one that has such an object under
 * "fields", or a list under "pairs", beside anything else: what prints entries. 0, or -EINVAL:
 * entryjson_why() tells what is wrong.
 */
int entryjson_read(struct entryjson *e, struct slice line) MUST_CHECK;

/* Borrowed until the next one is read. */
const char *entryjson_why(struct entryjson *e);

void entryjson_done(struct entryjson *e);

#endif
