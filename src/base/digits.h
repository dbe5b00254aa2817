/* SPDX-License-Identifier: MIT */
/* Decimal digits without printf: ids and counts are written by the hundred thousand a second. */
#ifndef SLUICED_BASE_DIGITS_H
#define SLUICED_BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DIGITS_MAX = 20 };

/* Writes value to out (DIGITS_MAX bytes, no terminator) and returns the length. Two digits at a
 * time: the divisions are what it costs. */
static inline size_t digits_put(char *out, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
	                            "25262728293031323334353637383940414243444546474849"
	                            "50515253545556575859606162636465666768697071727374"
	                            "75767778798081828384858687888990919293949596979899";
	char digits[DIGITS_MAX], *end = digits + DIGITS_MAX, *p = end;

	for (; value >= 100; value /= 100) {
		p -= 2;
		memcpy(p, pairs + 2 * (value % 100), 2);
	}
	if (value >= 10) {
		p -= 2;
		memcpy(p, pairs + 2 * value, 2);
	} else {
		*--p = (char)('0' + value);
	}
	memcpy(out, p, (size_t)(end - p));
	return (size_t)(end - p);
}

#endif
