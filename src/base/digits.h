/* SPDX-License-Identifier: MIT */
/* Decimal digits without printf and ctype: ids and counts are written, and tags and lengths read,
 * by the hundred thousand a second. */
#ifndef SLUICED_BASE_DIGITS_H
#define SLUICED_BASE_DIGITS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { DIGITS_MAX = 20 };

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') <= 9;
}

/* How many digits value has. */
static inline size_t digits_count(uint64_t value)
{
	static const uint64_t powers[] = { 0, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
		100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000,
		100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
		1000000000000000000, 10000000000000000000u };
	/* log10(2) is nearly 1233/4096: right, or one too few. */
	size_t n = (size_t)(64 - __builtin_clzll(value | 1)) * 1233 >> 12;

	return n + (value >= powers[n]);
}

/* Writes the eight digits of a value below 10^8: side by side in one word it becomes two numbers of
 * four digits, four of two and eight of one. The factors divide by 100 and by 10: rounded up, and
 * exact for all that occurs. */
static inline void digits_put_eight(char *out, uint64_t value)
{
	uint64_t fours = value / 10000 | value % 10000 << 32;
	uint64_t hundreds = fours * 10486 >> 20 & 0x0000007f0000007fu;
	uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
	uint64_t tens = twos * 103 >> 10 & 0x000f000f000f000fu;
	uint64_t ones = htole64((tens | (twos - 10 * tens) << 8) | 0x3030303030303030u);

	memcpy(out, &ones, sizeof(ones));
}

/* Writes value to out (DIGITS_MAX bytes, no terminator) and returns the length. Eight digits at a
 * time, then two: the divisions are what it costs. */
static inline size_t digits_put(char *out, uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
	                            "25262728293031323334353637383940414243444546474849"
	                            "50515253545556575859606162636465666768697071727374"
	                            "75767778798081828384858687888990919293949596979899";
	size_t len = digits_count(value);
	char *p = out + len;

	for (; value >= 100000000; value /= 100000000) {
		p -= 8;
		digits_put_eight(p, value % 100000000);
	}
	for (; value >= 100; value /= 100) {
		p -= 2;
		memcpy(p, pairs + 2 * (value % 100), 2);
	}
	if (value >= 10)
		memcpy(out, pairs + 2 * value, 2);
	else
		*out = (char)('0' + value);
	return len;
}

#endif
