/* SPDX-License-Identifier: MIT */
#include "core/entryid.h"

#include <errno.h>

#include "base/digits.h"

/* Digits up to `stop` or the end of the text; *p is left after the digits. */
static int take_number(const char **p, const char *end, uint64_t *ret_value)
{
	const char *start = *p;
	uint64_t value = 0;

	for (; *p < end && **p >= '0' && **p <= '9'; (*p)++) {
		uint64_t digit = (uint64_t)(**p - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return -EINVAL;
		value = value * 10 + digit;
	}
	if (*p == start || (*start == '0' && *p - start > 1))
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
