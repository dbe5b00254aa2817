/* SPDX-License-Identifier: MIT */
/* The standard input of an exec run: all of it is there before the process starts. */
#ifndef SLUICED_HANDLER_INPUT_H
#define SLUICED_HANDLER_INPUT_H

#include "base/compiler.h"
#include "base/slice.h"

/*
 * A descriptor from which exactly these bytes can be read: a pipe that holds them all, or else a
 * sealed memory file. A daemon that dies leaves no handler with half an entry. 0 or -errno.
 */
int input_open(struct slice bytes, int *ret_fd) MUST_CHECK;

/* A descriptor that is at its end: 0 or -errno. */
int input_open_empty(int *ret_fd) MUST_CHECK;

#endif
