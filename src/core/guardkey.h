/* SPDX-License-Identifier: MIT */
/*
 * Keys that guard entries against a second run, by a pattern such as "{%s}:once:%g:%i": %s is the
 * stream, %g the group, %i the id of the entry, %f{NAME} the value of its first field of that name,
 * %% a percent sign. "{%s}" is text in the slot of the stream: the name in braces, or the name as
 * it is where it has a hash tag of its own.
 */
#ifndef SLUICED_CORE_GUARDKEY_H
#define SLUICED_CORE_GUARDKEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "core/entryid.h"
#include "core/fields.h"

enum { GUARDKEY_MAX_BYTES = 1024 };

/* What was expected instead of this pattern, as static text; NULL: it is one. */
const char *guardkey_why_bad(const char *pattern);

/* Whether %g is in it: without it, the groups of a stream share their keys. */
bool guardkey_names_group(const char *pattern);

/* A pattern that is one, compiled for a stream and a group. */
struct guardkey;
struct guardkey *guardkey_new(const char *pattern, const char *stream,
    const char *group) MUST_CHECK;
void guardkey_free(struct guardkey *k);

/* Whether the keys depend on fields, not on the id alone. */
bool guardkey_needs_fields(const struct guardkey *k);

/* The most that a key may have without its fields' values: no more than GUARDKEY_MAX_BYTES, or it
 * guards nothing. */
size_t guardkey_fixed_bytes(const struct guardkey *k);

/* The text that all keys begin with; the caller frees it. */
char *guardkey_prefix(const struct guardkey *k) MUST_CHECK;

/* Whether all keys are in the slot of this stream, whatever ids and fields are. */
bool guardkey_is_in_slot_of(const struct guardkey *k, const char *stream);

/*
 * Writes the key of an entry and returns its length. 0: it has none, because a field is missing or
 * empty, or the key would be longer than GUARDKEY_MAX_BYTES. fields may be NULL where they are not
 * needed.
 */
size_t guardkey_write(const struct guardkey *k, struct entryid id, const struct fields *fields,
    char out[GUARDKEY_MAX_BYTES]);

#endif
