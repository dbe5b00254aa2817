/* SPDX-License-Identifier: MIT */
/*
 * Numbers are read by hand: strtoull takes signs and spaces, strtod takes hexadecimal, "inf" and
 * the decimal comma of a locale.
 */
#include "base/parse.h"

#include <errno.h>
#include <stddef.h>

#include "base/digits.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit duration_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
	{ "d", 24 * 60 * 60 * 1000 },
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "KiB", 1024 },
	{ "MiB", 1024 * 1024 },
	{ "GiB", 1024 * 1024 * 1024 },
};

static size_t count_digits(struct slice text)
{
	size_t n = 0;

	while (n < text.len && is_digit(text.data[n]))
		n++;
	return n;
}

int parse_u64(struct slice text, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!text.len || count_digits(text) != text.len)
		return -EINVAL;
	if (text.data[0] == '0' && text.len > 1)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value))
			return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

int parse_bool(struct slice text, bool *ret_value)
{
	if (!slice_is(text, "true") && !slice_is(text, "false"))
		return -EINVAL;
	*ret_value = slice_is(text, "true");
	return 0;
}

static const struct unit *find_unit(const struct unit *units, size_t n_units, struct slice name)
{
	for (size_t i = 0; i < n_units; i++) {
		if (slice_is(name, units[i].name))
			return &units[i];
	}
	return NULL;
}

static int parse_with_unit(struct slice text, const struct unit *units, size_t n_units,
    uint64_t *ret_value)
{
	size_t n_digits = count_digits(text);
	const struct unit *unit =
	    find_unit(units, n_units, (struct slice){ text.data + n_digits, text.len - n_digits });
	uint64_t value;
	int err;

	if (!unit)
		return -EINVAL;
	err = parse_u64((struct slice){ text.data, n_digits }, &value);
	if (err)
		return err;
	if (__builtin_mul_overflow(value, unit->factor, &value))
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int parse_duration_ms(struct slice text, uint64_t *ret_ms)
{
	return parse_with_unit(text, duration_units, ARRAY_LEN(duration_units), ret_ms);
}

int parse_size(struct slice text, uint64_t *ret_bytes)
{
	return parse_with_unit(text, size_units, ARRAY_LEN(size_units), ret_bytes);
}

/* With no more digits than a double holds exactly, one division rounds correctly. */
enum { DECIMAL_MAX_DIGITS = 15 };

int parse_decimal(struct slice text, double *ret_value)
{
	size_t n_whole = count_digits(text), n_fraction = 0;
	uint64_t digits, divisor = 1;
	int err = parse_u64((struct slice){ text.data, n_whole }, &digits);

	if (err)
		return err;
	if (n_whole < text.len) {
		struct slice rest = { text.data + n_whole + 1, text.len - n_whole - 1 };

		n_fraction = count_digits(rest);
		if (text.data[n_whole] != '.' || !n_fraction || n_fraction != rest.len)
			return -EINVAL;
	}
	if (n_whole + n_fraction > DECIMAL_MAX_DIGITS)
		return -ERANGE;
	for (size_t i = 0; i < n_fraction; i++, divisor *= 10)
		digits = digits * 10 + (uint64_t)(text.data[n_whole + 1 + i] - '0');
	*ret_value = (double)digits / (double)divisor;
	return 0;
}
