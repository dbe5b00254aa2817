/* SPDX-License-Identifier: MIT */
/* Decimal digits without printf: ids and counts are written by the hundred thousand a second. */
#ifndef SLUICED_BASE_DIGITS_H
#define SLUICED_BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DIGITS_MAX = 20 };

/* Writes value to out (DIGITS_MAX bytes, no terminator) and returns the length. */
static inline size_t digits_put(char *out, uint64_t value)
{
	char digits[DIGITS_MAX], *end = digits + DIGITS_MAX, *p = end;

	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	memcpy(out, p, (size_t)(end - p));
	return (size_t)(end - p);
}

#endif
