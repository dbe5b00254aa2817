/* SPDX-License-Identifier: MIT */
/* Text of unknown origin: is it UTF-8, how does it look on one line, what did its writer mean? */
#ifndef SLUICED_BASE_TEXT_H
#define SLUICED_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

/* Strict: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(struct slice s);

/* Bytes of the well-formed UTF-8 sequence that s begins with; 0 where there is none. s is not
 * empty. */
size_t text_utf8_sequence(struct slice s);

/* Appends s as UTF-8 on one line: control characters as \n, \t, \xNN, ill-formed bytes as \xNN. */
void text_append_printable(struct buf *to, struct slice s);

/* Writes standard base64 with padding, (len + 2) / 3 * 4 bytes, to `out` and returns its end. */
char *text_put_base64(char *out, struct slice s);

/* Appends the bytes that such text stands for: 0, or -EINVAL for any other text, with part of it
 * appended. */
int text_decode_base64(struct buf *to, struct slice s) MUST_CHECK;

/* Characters of UTF-8. Wide ones count as one: a table with them is less neat, and no more. */
size_t text_characters(struct slice s);

/* Number of single-character edits from a to b, counting a swap of neighbours as one; anything
 * above `limit` is reported as limit + 1. */
size_t text_distance(const char *a, const char *b, size_t limit);

#endif
