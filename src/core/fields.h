/* SPDX-License-Identifier: MIT */
/*
 * The payload of an entry: an ordered list of name and value pairs, any bytes in both, names not
 * necessarily different. A view when it comes out of a reply, a packed copy when it must be kept.
 */
#ifndef SLUICED_CORE_FIELDS_H
#define SLUICED_CORE_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"

/* A borrowed view: name, value, name, value, … */
struct fields {
	uint32_t n_pairs;
	const struct slice *slices; /* 2 * n_pairs */
};

/* Bytes of all names and values. */
size_t fields_bytes(const struct fields *f);

/* The value of the first pair of that name, or NULL. */
const struct slice *fields_get(const struct fields *f, struct slice name);

/* One allocation that holds everything; the caller frees it. */
struct packed_fields;
struct packed_fields *fields_pack(const struct fields *f) MUST_CHECK;

/* A view of a packed copy, valid as long as the copy. */
struct fields fields_unpacked(const struct packed_fields *p);

#endif
