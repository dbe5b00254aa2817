/* SPDX-License-Identifier: MIT */
/* Bytes that somebody else owns. They may hold NUL and any encoding; there is no terminator. */
#ifndef SLUICED_BASE_SLICE_H
#define SLUICED_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *data;
	size_t len;
};

static inline struct slice slice_of(const char *text)
{
	return (struct slice){ .data = text, .len = strlen(text) };
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is(struct slice s, const char *text)
{
	return slice_equal(s, slice_of(text));
}

#endif
