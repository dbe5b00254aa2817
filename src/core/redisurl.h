/* SPDX-License-Identifier: MIT */
/*
 * redis://[user[:password]@]host[:port][/db], rediss://… (TLS), unix:///path[?db=N].
 */
#ifndef SLUICED_CORE_REDISURL_H
#define SLUICED_CORE_REDISURL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

/* Where Redis is when nobody says so. */
#define REDISURL_DEFAULT "redis://127.0.0.1:6379/0"

struct redisurl {
	bool tls;
	char *socket_path; /* unix: only */
	char *host;        /* NULL for unix: */
	uint16_t port;
	char *user, *password; /* NULL when absent; percent-decoded */
	uint32_t db;
};

/* 0, or -EINVAL with *ret_why set to what was expected (static text). */
int redisurl_parse(const char *text, struct redisurl *ret_url, const char **ret_why) MUST_CHECK;

/* Whether it leads to where the default does. */
bool redisurl_is_default(const struct redisurl *url);

void redisurl_done(struct redisurl *url);

/* The URL without its secrets, for logs and --print-config; the caller frees it. */
char *redisurl_format(const struct redisurl *url) MUST_CHECK;

#endif
