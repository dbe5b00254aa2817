/* SPDX-License-Identifier: MIT */
/* A password of Redis and one of its Sentinels are set in the same ways, so they are checked in the
 * same way: `prefix` is "" or "sentinel.". */
#include "config/validate_redis.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

static void error_at(const struct loaded *l, const char *option, const char *text)
{
	diag_error(l->diag, section_place(l->redis, option), "redis.%s: %s", option, text);
}

/* ---- passwords */

static void check_one_password(const struct loaded *l, const char *prefix)
{
	static const char *const keys[] = { "password", "password_file", "password_credential" };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		char *key = xasprintf("%s%s", prefix, keys[i]);

		if (section_own_pair(l->redis, key) && n++)
			error_at(l, key,
			    "expected at most one of password, password_file and "
			    "password_credential");
		free(key);
	}
}

static const char *why_no_secret(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "it is no regular file";
	if (st.st_mode & (S_IRGRP | S_IROTH))
		return "group or others may read it (chmod 600)";
	if (access(path, R_OK) != 0)
		return strerror(errno);
	return NULL;
}

static void check_password_file(const struct loaded *l, const char *prefix, const char *path)
{
	const char *why = path ? why_no_secret(path) : NULL;
	char *key = xasprintf("%spassword_file", prefix);

	if (why)
		diag_error(l->diag, section_place(l->redis, key),
		    "redis.%s: expected a file for the daemon alone, got \"%s\": %s", key, path,
		    why);
	free(key);
}

/* systemd keeps credentials from others by the mode of their directory. */
static void check_credential_at(const struct loaded *l, const char *key, const char *name)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	char *path;

	if (!directory) {
		error_at(l, key, "expected a credential, but $CREDENTIALS_DIRECTORY is not set");
		return;
	}
	path = xasprintf("%s/%s", directory, name);
	if (access(path, R_OK) != 0)
		diag_error(l->diag, section_place(l->redis, key),
		    "redis.%s: expected a credential, got \"%s\": %s", key, path, strerror(errno));
	free(path);
}

static void check_credential(const struct loaded *l, const char *prefix, const char *name)
{
	char *key;

	if (!name)
		return;
	key = xasprintf("%spassword_credential", prefix);
	check_credential_at(l, key, name);
	free(key);
}

static void check_secret(const struct loaded *l, const char *prefix,
    const struct secret_settings *secret)
{
	check_one_password(l, prefix);
	check_password_file(l, prefix, secret->password_file);
	check_credential(l, prefix, secret->password_credential);
}

/* ---- Sentinels */

/* The first key of the mapping that is set, but for the two that make it one; NULL: none. */
static const char *other_sentinel_key(const struct loaded *l)
{
	for (size_t i = 0; i < n_options; i++) {
		const char *path = options[i].path;
		const struct ypair *pair;

		if (options[i].scope != SCOPE_REDIS || strncmp(path, "sentinel.", 9) != 0)
			continue;
		pair = section_pair(l->redis, path);
		if (pair && !option_is_fallback(&options[i], pair->value))
			return path;
	}
	return NULL;
}

static void check_sentinel(const struct loaded *l)
{
	const struct redis_settings *r = &l->config->redis;
	const char *key = other_sentinel_key(l);

	if (!key)
		return;
	if (!section_pair(l->redis, "sentinel.master"))
		error_at(l, key, "expected sentinel.master beside it");
	else if (!section_pair(l->redis, "sentinel.nodes"))
		error_at(l, "sentinel.master", "expected sentinel.nodes beside it");
	else if (!r->sentinel.nodes.len && !l->diag->n_errors)
		error_at(l, "sentinel.nodes", "expected at least one HOST:PORT, got none");
	if (r->url.socket_path)
		error_at(l, "url", "expected redis:// or rediss:// with Sentinels");
	if (r->cluster)
		error_at(l, "cluster", "expected either a Cluster or Sentinels, got both");
}

void validate_redis(const struct loaded *l)
{
	const struct redis_settings *r = &l->config->redis;

	check_secret(l, "", &r->secret);
	check_secret(l, "sentinel.", &r->sentinel.secret);
	check_sentinel(l);
}

static void warn_of_plain_sentinels(const struct loaded *l)
{
	const struct redis_settings *r = &l->config->redis;

	if (r->sentinel.master && r->url.tls && !r->sentinel.use_tls)
		diag_warning(l->diag, section_place(l->redis, "sentinel.master"),
		    "redis.sentinel: the Sentinels are asked without TLS, though url says "
		    "rediss://; any key of sentinel.tls turns it on");
}

void validate_redis_warn(const struct loaded *l)
{
	warn_of_plain_sentinels(l);
}
