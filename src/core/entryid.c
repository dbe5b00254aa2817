/* SPDX-License-Identifier: MIT */
#include "core/entryid.h"

#include <errno.h>

#include "base/digits.h"

/* Digits up to another byte or the end of the text; *p is left after them. */
static int take_number(const char **p, const char *end, uint64_t *ret_value)
{
	const char *start = *p, *digit = start;
	uint64_t value = 0, last = 0;

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
