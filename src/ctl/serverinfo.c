/* SPDX-License-Identifier: MIT */
#include "ctl/serverinfo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static struct slice line_end(struct slice line)
{
	if (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

struct slice info_value(struct slice info, const char *name)
{
	size_t len = strlen(name);

	while (info.len) {
		const char *newline = memchr(info.data, '\n', info.len);
		size_t n = newline ? (size_t)(newline - info.data) : info.len;

		if (n > len && memcmp(info.data, name, len) == 0 && info.data[len] == ':')
			return line_end((struct slice){ info.data + len + 1, n - len - 1 });
		n += newline != NULL;
		info = (struct slice){ info.data + n, info.len - n };
	}
	return (struct slice){ "", 0 };
}

static struct slice until_dot(struct slice s)
{
	const char *dot = memchr(s.data, '.', s.len);

	return (struct slice){ s.data, dot ? (size_t)(dot - s.data) : s.len };
}

int server_version_read(struct slice info, struct server_version *ret_version)
{
	struct slice redis = info_value(info, "redis_version");
	struct slice valkey = info_value(info, "valkey_version");
	struct slice shown = valkey.len ? valkey : redis;
	const char *dot = memchr(redis.data, '.', redis.len);
	size_t len = dot ? (size_t)(dot - redis.data) : 0;
	uint64_t major, minor;

	if (!dot || parse_u64((struct slice){ redis.data, len }, &major) ||
	    parse_u64(until_dot((struct slice){ dot + 1, redis.len - len - 1 }), &minor))
		return -EINVAL;
	ret_version->number = (unsigned)(100 * major + minor);
	snprintf(ret_version->text, sizeof(ret_version->text), "%s %.*s",
	    valkey.len ? "Valkey" : "Redis", (int)shown.len, shown.data);
	return 0;
}
