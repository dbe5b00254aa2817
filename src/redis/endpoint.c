/* SPDX-License-Identifier: MIT */
#include "redis/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

bool endpoint_equals(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && strcmp(a->host, b->host) == 0;
}

bool endpoint_is_same(const struct endpoint *a, const struct endpoint *b)
{
	return a && b ? endpoint_equals(a, b) : a == b;
}

static struct slice without_brackets(struct slice host)
{
	if (host.len >= 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
		return (struct slice){ host.data + 1, host.len - 2 };
	return host;
}

int endpoint_parse(struct slice text, struct endpoint *ret_endpoint)
{
	const char *colon = memrchr(text.data, ':', text.len);
	struct endpoint e = { 0 };
	struct slice host, port;
	uint64_t number;

	if (!colon)
		return -EINVAL;
	host = without_brackets((struct slice){ text.data, (size_t)(colon - text.data) });
	port = (struct slice){ colon + 1, text.len - (size_t)(colon - text.data) - 1 };
	if (!host.len || host.len >= sizeof(e.host) || memchr(host.data, '\0', host.len))
		return -EINVAL;
	if (parse_u64(port, &number) || !number || number > UINT16_MAX)
		return -EINVAL;
	memcpy(e.host, host.data, host.len);
	e.port = (uint16_t)number;
	*ret_endpoint = e;
	return 0;
}

struct endpoint_text endpoint_text(const struct endpoint *e)
{
	struct endpoint_text t;
	bool is_v6 = strchr(e->host, ':') != NULL;

	snprintf(t.text, sizeof(t.text), "%s%s%s:%u", is_v6 ? "[" : "", e->host, is_v6 ? "]" : "",
	    (unsigned)e->port);
	return t;
}
