/* SPDX-License-Identifier: MIT */
/* A host, by name or number, and a port. */
#ifndef SLUICED_REDIS_ENDPOINT_H
#define SLUICED_REDIS_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"

enum { ENDPOINT_HOST_SIZE = 256, ENDPOINT_TEXT_SIZE = ENDPOINT_HOST_SIZE + 8 };

struct endpoint {
	char host[ENDPOINT_HOST_SIZE]; /* empty: none */
	uint16_t port;
};

static inline bool endpoint_is_set(const struct endpoint *e)
{
	return e->host[0] != '\0';
}

bool endpoint_equals(const struct endpoint *a, const struct endpoint *b);

/* The same where NULL is a place of its own: as configured. */
bool endpoint_is_same(const struct endpoint *a, const struct endpoint *b);

/* "host:port", "[v6]:port", and the "v6:port" of Redis' redirections: the port is behind the last
 * colon. 0, or -EINVAL. */
int endpoint_parse(struct slice text, struct endpoint *ret_endpoint) MUST_CHECK;

/* "host:port" as people write it. */
struct endpoint_text {
	char text[ENDPOINT_TEXT_SIZE];
};
struct endpoint_text endpoint_text(const struct endpoint *e);

#endif
