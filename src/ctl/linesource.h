/* SPDX-License-Identifier: MIT */
/* Lines of a file or of standard input, one after the other, of bounded length. */
#ifndef SLUICED_CTL_LINESOURCE_H
#define SLUICED_CTL_LINESOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

struct linesource {
	const char *name; /* for messages */
	int fd;
	uint64_t file_bytes; /* 0: it is no regular file */
	uint64_t n_bytes;    /* of the lines that were taken */
	uint64_t n_lines;    /* the number of the last line */
	size_t max_bytes;

	struct buf in;
	size_t n_taken;   /* of it: the last line, which is thrown away at the next call */
	size_t n_scanned; /* behind that: without a newline */
	bool is_at_end;
};

/* Opens path, or standard input for "-": 0, or -errno. path is borrowed. */
int linesource_open(struct linesource *s, const char *path, size_t max_bytes) MUST_CHECK;
void linesource_close(struct linesource *s);

enum { LINESOURCE_END, LINESOURCE_LINE };

/*
 * LINE with the next line, without its newline, good until the next call; END; -EAGAIN: there is
 * none for now; -EMSGSIZE: it is longer than allowed; or what read() said.
 */
int linesource_next(struct linesource *s, struct slice *ret_line) MUST_CHECK;

#endif
