/* SPDX-License-Identifier: MIT */
/* Messages about a file, each with its place. All of them are collected, then shown in order. */
#ifndef SLUICED_BASE_DIAG_H
#define SLUICED_BASE_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"

struct diag_place {
	unsigned line, column; /* from 1; 0 when the message has no place in the file */
};

struct diag_message {
	struct diag_place place;
	bool warning;
	char *text; /* "PATH: what was expected, what was found" */
};

struct diag {
	char *file;
	struct diag_message *messages;
	size_t n_messages, n_errors, cap;
};

void diag_init(struct diag *d, const char *file);
void diag_done(struct diag *d);

void diag_error(struct diag *d, struct diag_place at, const char *format, ...) PRINTF_LIKE(3, 4);
void diag_warning(struct diag *d, struct diag_place at, const char *format, ...) PRINTF_LIKE(3, 4);

/* Sorts by place, keeping the order of messages that share one. */
void diag_sort(struct diag *d);

/* "FILE:LINE:COLUMN: TEXT", without the place where there is none. The caller frees it. */
char *diag_format(const struct diag *d, const struct diag_message *m) MUST_CHECK;

/* Every message on a line of its own, warnings marked as such. */
void diag_print(const struct diag *d, FILE *to);

#endif
