/* SPDX-License-Identifier: MIT */
/* Entries as Redis answers them: printed for people, written for programs; ids as people type them.
 */
#ifndef SLUICED_CTL_FIELDS_H
#define SLUICED_CTL_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/json.h"
#include "core/fields.h"
#include "redis/reply.h"

/* A view of an entry in a reply, good as long as that is. Zeroed at first, used again and again. */
struct entryview {
	struct entryid id;
	bool is_gone; /* its data is: nil instead of fields */
	struct fields fields;

	struct slice *slices;
	size_t cap;
};

/* Reads [id, [name, value, ...]]: 0, or -EPROTO. */
int entryview_read(struct entryview *v, const struct reply *r) MUST_CHECK;
void entryview_done(struct entryview *v);

/* Prints to standard output: the pairs on one line, without a newline; or one a line, aligned. */
void fields_print_line(const struct fields *f);
void fields_print_list(const struct fields *f);

/* Writes "fields" or "pairs" (the handler protocol) into an object that is not empty and not
 * pretty: what `sluicectl add --ndjson` reads again. */
void json_pair_fields(struct json *j, const struct fields *f);

void json_pair_id(struct json *j, const char *key, struct entryid id);

/* Writes null where value is not known. */
void json_pair_maybe_u64(struct json *j, const char *key, bool is_known, uint64_t value);

/* Writes the number that text is, null where it is none. */
void json_pair_number(struct json *j, const char *key, struct slice text);

/* Reads an id as redis-cli does, where "MS" is "MS-0": 0, or -EINVAL. */
int id_parse(const char *text, struct entryid *ret_id) MUST_CHECK;

/* The same for an argument; complains about any other text. */
int id_parse_word(const char *text, struct entryid *ret_id) MUST_CHECK;

/* How long ago the id was made. False where its first part is no time of day: made up by a
 * producer. */
bool id_age_ms(struct entryid id, uint64_t now_ms, uint64_t *ret_age_ms);

/* Whether a pending entry that nobody has touched for so long was given back: it is idle since
 * 1970. */
bool idle_is_for_ever(uint64_t idle_ms);

/* The value of a field in a row of XINFO, or NULL. */
const struct reply *xinfo_field(const struct reply *row, const char *name);

/* The row of XINFO GROUPS or CONSUMERS with that name, or NULL. */
const struct reply *xinfo_named(const struct reply *rows, const char *name);

/*
 * How many entries to ask for at once, so that a page stays near a megabyte whatever entries are
 * like.
 */
struct pagesize {
	uint64_t n;
};

enum { PAGESIZE_FIRST = 16, PAGESIZE_MAX = 512 };

static inline struct pagesize pagesize_begin(void)
{
	return (struct pagesize){ PAGESIZE_FIRST };
}

/* After a page of so many bytes. */
void pagesize_learn(struct pagesize *p, size_t bytes);

#endif
