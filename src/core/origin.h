/* SPDX-License-Identifier: MIT */
/* The part of an entry's line that all entries of a stream share. */
#ifndef SLUICED_CORE_ORIGIN_H
#define SLUICED_CORE_ORIGIN_H

#include <stddef.h>

#include "base/compiler.h"

/*
 * The text of struct origin's `json`: "stream":…,"group":…,"consumer":…,"id":" with the quote that
 * opens the id. Names that are not UTF-8 get replacement characters. The caller frees it.
 */
char *origin_json_new(const char *stream, const char *group, const char *consumer,
    size_t *ret_len) MUST_CHECK;

#endif
