/* SPDX-License-Identifier: MIT */
/*
 * JSON writing only. The string writer is on the hot path (every field of every entry goes through
 * it); struct json adds commas and nesting for everything that is not.
 */
#ifndef SLUICED_BASE_JSON_H
#define SLUICED_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Appends s as a JSON string with its quotes when it is well-formed UTF-8 and returns true.
 * Otherwise appends nothing and returns false: the caller decides what becomes of such bytes.
 */
bool json_append_string(struct buf *to, struct slice s);

/* The longest string that n bytes can become: an escaped one takes six. */
static inline size_t json_string_max(size_t n)
{
	return 6 * n + 2;
}

/* The same at `out`, which has room for json_string_max(); returns its end, NULL instead of false.
 */
char *json_put_string(char *out, struct slice s);

/* Appends s as a JSON string, ill-formed bytes replaced by U+FFFD. */
void json_append_lossy(struct buf *to, struct slice s);

void json_append_u64(struct buf *to, uint64_t value);

/* A document being written. Zero-initialise with .to set; pretty adds newlines and indentation. */
struct json {
	struct buf *to;
	unsigned depth;
	bool pretty;
	bool has_items; /* something was written at this depth */
	bool after_key;
};

void json_object_begin(struct json *j);
void json_object_end(struct json *j);
void json_array_begin(struct json *j);
void json_array_end(struct json *j);
void json_key(struct json *j, const char *key);
void json_text(struct json *j, const char *value);
void json_slice(struct json *j, struct slice value); /* ill-formed bytes become U+FFFD */
void json_u64(struct json *j, uint64_t value);
void json_bool(struct json *j, bool value);
void json_null(struct json *j);

/* A key and its value. */
void json_pair_text(struct json *j, const char *key, const char *value); /* NULL: null */
void json_pair_slice(struct json *j, const char *key, struct slice value);
void json_pair_u64(struct json *j, const char *key, uint64_t value);
void json_pair_bool(struct json *j, const char *key, bool value);
void json_pair_null(struct json *j, const char *key);

#endif
