/* SPDX-License-Identifier: MIT */
/* The only JSON that is read from a handler: one string. */
#ifndef SLUICED_HANDLER_JSONSTRING_H
#define SLUICED_HANDLER_JSONSTRING_H

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

/* Appends the value of s, which is a JSON string with its quotes and nothing else: 0, or -EINVAL
 * (with part of it appended) for whatever RFC 8259 does not allow, lone surrogates included. */
int jsonstring_decode(struct slice s, struct buf *to) MUST_CHECK;

#endif
