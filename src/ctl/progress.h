/* SPDX-License-Identifier: MIT */
/* How far a long command has come: a line on standard error where that is a terminal, else nothing.
 */
#ifndef SLUICED_CTL_PROGRESS_H
#define SLUICED_CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "entries" */
	uint64_t total;   /* 0: not known */
	uint64_t n_done;
	uint64_t part, whole; /* of something else that tells the share; whole 0: nothing does */
	uint64_t started_at_ms, shown_at_ms;
	bool is_shown;
};

/* what is static text. */
void progress_begin(struct progress *p, const char *what, uint64_t total);

/* So many more. The line is drawn again ten times a second at most. */
void progress_add(struct progress *p, uint64_t n);

/* How far it has come of something else than what is counted: of the bytes of a file, say. */
void progress_share(struct progress *p, uint64_t part, uint64_t whole);

/* Clears the line. To be called before anything else is printed. */
void progress_end(struct progress *p);

#endif
