/* SPDX-License-Identifier: MIT */
/*
 * Strict scalars: the whole of the text is the value or nothing is. All return 0, -EINVAL for text
 * of another form, or -ERANGE for a number too large, and write the result only on success.
 */
#ifndef SLUICED_BASE_PARSE_H
#define SLUICED_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"

/* Decimal digits, no sign, no leading zero but "0" itself. */
int parse_u64(struct slice text, uint64_t *ret_value) MUST_CHECK;

/* "true" or "false". */
int parse_bool(struct slice text, bool *ret_value) MUST_CHECK;

/* Digits and one of ms, s, m, h, d: "500ms", "5m". A unit is required. */
int parse_duration_ms(struct slice text, uint64_t *ret_ms) MUST_CHECK;

/* Digits, bare for bytes or with KiB, MiB, GiB. */
int parse_size(struct slice text, uint64_t *ret_bytes) MUST_CHECK;

/* A non-negative decimal number with an optional fraction: "3", "1.5". */
int parse_decimal(struct slice text, double *ret_value) MUST_CHECK;

#endif
