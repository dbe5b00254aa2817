/* SPDX-License-Identifier: MIT */
#include "core/entryid.h"

#include <errno.h>
#include <string.h>

#include "base/digits.h"

/* Eight digits at once: neighbours become pairs, pairs fours, fours the number. False when they are
 * not all digits. */
static bool take_eight(const char *p, uint64_t *ret_value)
{
	const uint64_t high_halves = 0xf0f0f0f0f0f0f0f0u;
	uint64_t w;

	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		return false;
	memcpy(&w, p, sizeof(w));
	/* A digit's high half is 3, and still is when 6 is added. */
	if (((w & high_halves) | ((w + 0x0606060606060606u) & high_halves) >> 4) !=
	    0x3333333333333333u)
		return false;
	w = (w & 0x0f0f0f0f0f0f0f0fu) * (10 * 0x100 + 1) >> 8;
	w = (w & 0x00ff00ff00ff00ffu) * (100 * 0x10000 + 1) >> 16;
	*ret_value = (w & 0x0000ffff0000ffffu) * (10000 * 0x100000000u + 1) >> 32;
	return true;
}

/* Digits up to another byte or the end of the text; *p is left after them. */
static int take_number(const char **p, const char *end, uint64_t *ret_value)
{
	const char *start = *p, *digit = start;
	uint64_t value = 0, last = 0;

	if (end - digit >= 8 && take_eight(digit, &value))
		digit += 8;

	for (; digit < end && *digit >= '0' && *digit <= '9'; digit++) {
		last = value;
		value = value * 10 + (uint64_t)(*digit - '0');
	}
	*p = digit;
	if (digit == start || (*start == '0' && digit - start > 1) || digit - start > 20)
		return -EINVAL;
	/* Only the twentieth digit can be too much. */
	if (digit - start == 20 && (last > UINT64_MAX / 10 || value < last))
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int entryid_parse(struct slice text, struct entryid *ret_id)
{
	const char *p = text.data, *end;
	struct entryid id;

	if (!text.len)
		return -EINVAL;
	end = p + text.len;
	if (take_number(&p, end, &id.ms))
		return -EINVAL;
	if (p == end || *p++ != '-')
		return -EINVAL;
	if (take_number(&p, end, &id.seq) || p != end)
		return -EINVAL;
	*ret_id = id;
	return 0;
}

size_t entryid_format(struct entryid id, char *out)
{
	size_t len = digits_put(out, id.ms);

	out[len++] = '-';
	return len + digits_put(out + len, id.seq);
}

struct entryid_text entryid_text(struct entryid id)
{
	struct entryid_text t;

	t.text[entryid_format(id, t.text)] = '\0';
	return t;
}

int entryid_compare(struct entryid a, struct entryid b)
{
	if (a.ms != b.ms)
		return a.ms < b.ms ? -1 : 1;
	if (a.seq != b.seq)
		return a.seq < b.seq ? -1 : 1;
	return 0;
}

struct entryid entryid_before(struct entryid id)
{
	if (id.seq)
		return (struct entryid){ id.ms, id.seq - 1 };
	if (id.ms)
		return (struct entryid){ id.ms - 1, UINT64_MAX };
	return id;
}

struct entryid entryid_after(struct entryid id)
{
	if (id.seq < UINT64_MAX)
		return (struct entryid){ id.ms, id.seq + 1 };
	return id.ms < UINT64_MAX ? (struct entryid){ id.ms + 1, 0 } : id;
}
