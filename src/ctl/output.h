/* SPDX-License-Identifier: MIT */
/* How results look: aligned tables for people, colour on a terminal (NO_COLOR is obeyed). */
#ifndef SLUICED_CTL_OUTPUT_H
#define SLUICED_CTL_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_WARN, STYLE_BAD, STYLE_NAME };

/* The sequences that begin and end a style on standard output; empty where it shows none. */
const char *style_begin(enum style s);
const char *style_end(enum style s);

/*
 * Rows of cells, kept until they are printed so that the columns line up. Printing in pages keeps
 * memory bounded: columns only ever get wider. The title row comes once.
 */
struct table;

/* A title that begins with '>' makes a column of numbers, to the right. The list ends with NULL. */
struct table *table_new(const char *first_title, ...) __attribute__((sentinel));
void table_free(struct table *t);

/* On a terminal the last column is cut off where the line ends. */
void table_cut(struct table *t);

/* The cells of a row come in order, each copied; text of any bytes is shown on one line. */
void table_text(struct table *t, struct slice text);
void table_styled(struct table *t, enum style style, const char *text);
void table_slice(struct table *t, enum style style, struct slice text);
void table_format(struct table *t, const char *format, ...) PRINTF_LIKE(2, 3);
void table_u64(struct table *t, uint64_t n);
void table_none(struct table *t); /* "-" */

/* Prints what has gathered to standard output. */
void table_print(struct table *t);

/* "950ms", "12s", "5m 10s", "3h 4m", "2d 5h", for people. */
void human_duration(struct buf *to, uint64_t ms);
void table_duration(struct table *t, uint64_t ms);

/* "1 record", "2 records": what stands behind the word. */
static inline const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* "1 entry", "2 entries" */
static inline const char *entries_word(uint64_t n)
{
	return n == 1 ? "entry" : "entries";
}

/* Prints a JSON document (base/json.h), a newline behind it, and empties the buffer. */
void print_json(struct buf *document);

/* False when standard output could not take everything: a full disk, which is told on standard
 * error, or a reader that has left, which is not. */
bool output_flush(void);

/* Whether the reader of standard output has left, which nothing tells who has nothing to write. */
bool output_is_closed(void);

#endif
