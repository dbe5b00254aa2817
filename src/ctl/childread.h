/* SPDX-License-Identifier: MIT */
/* A program whose output is read piece by piece, by somebody who has other things to do. */
#ifndef SLUICED_CTL_CHILDREAD_H
#define SLUICED_CTL_CHILDREAD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/compiler.h"

/* Zeroed: none runs. */
struct childread {
	pid_t pid; /* 0: none */
	int out, err;
	struct buf text, errors; /* what it has printed so far, bounded */
};

/* Starts this program again, with these arguments, its input empty. 0 or -errno. */
int childread_start(struct childread *c, char *const argv[]) MUST_CHECK;

/* Takes what is there. True once it has ended, with its exit status; it may then be started anew,
 * and what it printed stays until then. */
bool childread_take(struct childread *c, int *ret_status);

/* Ends it if it still runs. */
void childread_done(struct childread *c);

#endif
