/* SPDX-License-Identifier: MIT */
/*
 * Commands as RESP, appended straight to a connection's output: command_open() with the number of
 * arguments, then exactly that many arguments. Binary-safe, no intermediate argv.
 */
#ifndef SLUICED_REDIS_COMMAND_H
#define SLUICED_REDIS_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "core/entryid.h"

void command_open(struct buf *to, size_t n_args);

void command_slice(struct buf *to, struct slice arg);
void command_text(struct buf *to, const char *arg);
void command_u64(struct buf *to, uint64_t arg);
void command_id(struct buf *to, struct entryid id);

/* A whole command of texts that hold no NUL; the list ends with NULL. */
void command_words(struct buf *to, const char *first, ...) __attribute__((sentinel));

#endif
