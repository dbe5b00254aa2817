/* SPDX-License-Identifier: MIT */
/*
 * A file is only looked at, not understood: that takes OpenSSL, and happens when a connection is
 * made. It may be another file by then.
 */
#include "config/validate_tls.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The keys below "tls." or "sentinel.tls.". */
struct group {
	const char *prefix;
	const struct tls_settings *settings;
};

struct key {
	char path[64];
};

static struct key key_of(const struct group *g, const char *name)
{
	struct key key;

	snprintf(key.path, sizeof(key.path), "%s%s", g->prefix, name);
	return key;
}

/* ---- errors */

static void check_build(const struct loaded *l, const char *key)
{
	if (!SLUICED_HAVE_TLS)
		diag_error(l->diag, section_place(l->redis, key),
		    "redis.%s: this build has no TLS: install libssl-dev (Debian, Ubuntu) or "
		    "openssl-devel (Fedora), and build again",
		    key);
}

static const char *why_no_file(const char *path, bool wants_directory)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return strerror(errno);
	if (wants_directory != !!S_ISDIR(st.st_mode))
		return wants_directory ? "it is no directory" : "it is a directory";
	if (access(path, wants_directory ? R_OK | X_OK : R_OK) != 0)
		return strerror(errno);
	return NULL;
}

static void check_file(const struct loaded *l, const struct key *key, const char *path)
{
	const char *why = path ? why_no_file(path, false) : NULL;

	if (why)
		diag_error(l->diag, section_place(l->redis, key->path),
		    "redis.%s: expected a file to read, got \"%s\": %s", key->path, path, why);
}

static void check_directory(const struct loaded *l, const struct key *key, const char *path)
{
	const char *why = path ? why_no_file(path, true) : NULL;

	if (why)
		diag_error(l->diag, section_place(l->redis, key->path),
		    "redis.%s: expected a directory to read, got \"%s\": %s", key->path, path, why);
}

static void check_group(const struct loaded *l, const struct group *g)
{
	struct key ca_file = key_of(g, "ca_file"), ca_dir = key_of(g, "ca_dir"),
	           cert_file = key_of(g, "cert_file"), key_file = key_of(g, "key_file");

	check_file(l, &ca_file, g->settings->ca_file);
	check_directory(l, &ca_dir, g->settings->ca_dir);
	check_file(l, &cert_file, g->settings->cert_file);
	check_file(l, &key_file, g->settings->key_file);
	if (g->settings->key_file && !g->settings->cert_file)
		diag_error(l->diag, section_place(l->redis, key_file.path),
		    "redis.%s: expected %s beside it", key_file.path, cert_file.path);
}

void validate_tls(const struct loaded *l)
{
	const struct redis_settings *r = &l->config->redis;
	struct group server = { "tls.", &r->tls }, sentinel = { "sentinel.tls.", &r->sentinel.tls };

	if (r->url.tls)
		check_build(l, "url");
	if (r->sentinel.master && r->sentinel.use_tls)
		check_build(l, "sentinel.tls");
	check_group(l, &server);
	check_group(l, &sentinel);
}

/* ---- warnings */

/* "9d66eef0.0": OpenSSL finds an authority by the hash of its name. */
static bool is_hash_name(const char *name)
{
	size_t n = strspn(name, "0123456789abcdef");

	return n == 8 && name[n] == '.' && isdigit((unsigned char)name[n + 1]);
}

static bool has_hash_name(const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = is_hash_name(entry->d_name);
	if (dir)
		closedir(dir);
	return found;
}

static void warn_of_group(const struct loaded *l, const struct group *g)
{
	struct key ca_dir = key_of(g, "ca_dir"), verify = key_of(g, "verify");

	if (g->settings->ca_dir && !has_hash_name(g->settings->ca_dir))
		diag_warning(l->diag, section_place(l->redis, ca_dir.path),
		    "redis.%s: no file in it is named by its hash, as `openssl rehash` does: "
		    "no authority will be found",
		    ca_dir.path);
	if (!g->settings->verify)
		diag_warning(l->diag, section_place(l->redis, verify.path),
		    "redis.%s: the certificate is not checked: anybody in between can pose as the "
		    "server",
		    verify.path);
}

static void warn_of_no_effect(const struct loaded *l)
{
	for (size_t i = 0; i < n_options; i++) {
		const struct option *o = &options[i];
		const struct ypair *own;

		if (o->scope != SCOPE_REDIS || strncmp(o->path, "tls.", 4) != 0)
			continue;
		own = section_own_pair(l->redis, o->path);
		if (own && !option_is_fallback(o, own->value))
			diag_warning(l->diag, own->key->at,
			    "redis.%s: has no effect: redis.url does not begin with rediss://",
			    o->path);
	}
}

void validate_tls_warn(const struct loaded *l)
{
	const struct redis_settings *r = &l->config->redis;
	struct group server = { "tls.", &r->tls }, sentinel = { "sentinel.tls.", &r->sentinel.tls };

	if (r->url.tls)
		warn_of_group(l, &server);
	else
		warn_of_no_effect(l);
	if (r->sentinel.master && r->sentinel.use_tls)
		warn_of_group(l, &sentinel);
}
