/* SPDX-License-Identifier: MIT */
/* Strict: whatever has no meaning here (another scheme, a query, a fragment) is refused. */
#include "core/redisurl.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/parse.h"

enum { DEFAULT_PORT = 6379, DB_MAX = INT32_MAX };

static const char expected_db[] = "a database number from 0 to 2147483647";

static int refuse(const char **ret_why, const char *expected)
{
	*ret_why = expected;
	return -EINVAL;
}

static struct slice slice_between(const char *start, const char *end)
{
	return (struct slice){ start, (size_t)(end - start) };
}

/* Removes what comes before the first `separator`, and the separator, from s. */
static bool take_until(struct slice *s, char separator, struct slice *ret_taken)
{
	const char *at = memchr(s->data, separator, s->len);

	if (!at)
		return false;
	*ret_taken = slice_between(s->data, at);
	*s = slice_between(at + 1, s->data + s->len);
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL when there is a bad escape, or one that stands for NUL: no C string can hold it. */
static char *percent_decode(struct slice s)
{
	char *text = xmalloc(s.len + 1), *out = text;

	for (size_t i = 0; i < s.len; i++) {
		int high, low;

		if (s.data[i] != '%') {
			*out++ = s.data[i];
			continue;
		}
		high = i + 2 < s.len ? hex_digit(s.data[i + 1]) : -1;
		low = i + 2 < s.len ? hex_digit(s.data[i + 2]) : -1;
		if (high < 0 || low < 0 || (high == 0 && low == 0)) {
			free(text);
			return NULL;
		}
		*out++ = (char)(high << 4 | low);
		i += 2;
	}
	*out = '\0';
	return text;
}

static int parse_db(struct slice text, uint32_t *ret_db, const char **ret_why)
{
	uint64_t db;

	if (parse_u64(text, &db) != 0 || db > DB_MAX)
		return refuse(ret_why, expected_db);
	*ret_db = (uint32_t)db;
	return 0;
}

static int parse_unix(struct slice rest, struct redisurl *url, const char **ret_why)
{
	struct slice path = rest;
	int err;

	if (take_until(&rest, '?', &path)) {
		if (rest.len < 3 || memcmp(rest.data, "db=", 3) != 0)
			return refuse(ret_why, "nothing but ?db=N after the path");
		err = parse_db((struct slice){ rest.data + 3, rest.len - 3 }, &url->db, ret_why);
		if (err)
			return err;
	}
	if (path.len < 2 || path.data[0] != '/')
		return refuse(ret_why, "an absolute path: unix:///path/to.sock");
	if (path.len >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return refuse(ret_why, "a socket path of at most 107 bytes");
	url->socket_path = xstrndup(path.data, path.len);
	return 0;
}

static int parse_user_info(struct slice info, struct redisurl *url, const char **ret_why)
{
	struct slice user = info;
	bool has_password = take_until(&info, ':', &user);

	if (user.len)
		url->user = percent_decode(user);
	if (has_password)
		url->password = percent_decode(info);
	if ((user.len && !url->user) || (has_password && !url->password))
		return refuse(ret_why, "escapes from %01 to %FF in user and password");
	return 0;
}

static bool is_host_char(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '-' || c == '_';
}

static bool is_address_char(char c)
{
	return isxdigit((unsigned char)c) || c == ':' || c == '.';
}

static bool all_chars(struct slice s, bool (*fits)(char))
{
	for (size_t i = 0; i < s.len; i++) {
		if (!fits(s.data[i]))
			return false;
	}
	return s.len > 0;
}

/* Splits "host", "host:port" or "[address]:port"; *ret_port is empty when there is none. */
static int split_host(struct slice s, struct slice *ret_host, struct slice *ret_port)
{
	bool bracketed = s.len && s.data[0] == '[';
	struct slice host = s, rest = s;

	*ret_port = (struct slice){ "", 0 };
	if (bracketed) {
		rest = slice_between(s.data + 1, s.data + s.len);
		if (!take_until(&rest, ']', &host))
			return -EINVAL;
		if (rest.len && rest.data[0] != ':')
			return -EINVAL;
		if (rest.len)
			*ret_port = slice_between(rest.data + 1, rest.data + rest.len);
		if (rest.len == 1)
			return -EINVAL;
	} else if (take_until(&rest, ':', &host)) {
		*ret_port = rest;
		if (!rest.len)
			return -EINVAL;
	}
	*ret_host = host;
	return all_chars(host, bracketed ? is_address_char : is_host_char) ? 0 : -EINVAL;
}

static int parse_host(struct slice s, struct redisurl *url, const char **ret_why)
{
	struct slice host, port_text;
	uint64_t port = DEFAULT_PORT;

	if (split_host(s, &host, &port_text) != 0)
		return refuse(ret_why, "a host name or address, an IPv6 address in brackets");
	if (port_text.len && (parse_u64(port_text, &port) != 0 || port < 1 || port > UINT16_MAX))
		return refuse(ret_why, "a port from 1 to 65535");
	url->host = xstrndup(host.data, host.len);
	url->port = (uint16_t)port;
	return 0;
}

/* rest is [user[:password]@]host[:port][/db] */
static int parse_network(struct slice rest, struct redisurl *url, const char **ret_why)
{
	struct slice authority = rest, info;
	const char *at;
	int err;

	if (memchr(rest.data, '?', rest.len) || memchr(rest.data, '#', rest.len))
		return refuse(ret_why, "no ? and no # (the database is /N; ?db= is for unix:)");
	if (take_until(&rest, '/', &authority) && rest.len) {
		err = parse_db(rest, &url->db, ret_why);
		if (err)
			return err;
	}
	at = memrchr(authority.data, '@', authority.len);
	if (at) {
		info = slice_between(authority.data, at);
		authority = slice_between(at + 1, authority.data + authority.len);
		err = parse_user_info(info, url, ret_why);
		if (err)
			return err;
	}
	return parse_host(authority, url, ret_why);
}

static const char *after_prefix(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static int parse_any(const char *text, struct redisurl *url, const char **ret_why)
{
	const char *rest;

	rest = after_prefix(text, "unix://");
	if (rest)
		return parse_unix(slice_of(rest), url, ret_why);
	rest = after_prefix(text, "rediss://");
	url->tls = rest != NULL;
	if (!rest)
		rest = after_prefix(text, "redis://");
	if (rest)
		return parse_network(slice_of(rest), url, ret_why);
	return refuse(ret_why, "a URL that begins with redis://, rediss:// or unix://");
}

int redisurl_parse(const char *text, struct redisurl *ret_url, const char **ret_why)
{
	struct redisurl url = { 0 };
	int err = parse_any(text, &url, ret_why);

	if (err) {
		redisurl_done(&url);
		return err;
	}
	*ret_url = url;
	return 0;
}

bool redisurl_is_default(const struct redisurl *url)
{
	return url->host && strcmp(url->host, "127.0.0.1") == 0 && url->port == 6379;
}

void redisurl_done(struct redisurl *url)
{
	if (url->password)
		explicit_bzero(url->password, strlen(url->password));
	free(url->password);
	free(url->socket_path);
	free(url->host);
	free(url->user);
	*url = (struct redisurl){ 0 };
}

static void append_percent_encoded(struct buf *to, const char *text)
{
	for (; *text; text++) {
		if (is_host_char(*text))
			buf_append_char(to, *text);
		else
			buf_printf(to, "%%%02X", (unsigned char)*text);
	}
}

static void append_network(struct buf *to, const struct redisurl *url)
{
	bool bracketed = strchr(url->host, ':') != NULL;

	buf_append_text(to, url->tls ? "rediss://" : "redis://");
	if (url->user) {
		append_percent_encoded(to, url->user);
		buf_append_char(to, '@');
	}
	buf_printf(to, bracketed ? "[%s]:%u/%u" : "%s:%u/%u", url->host, url->port, url->db);
}

char *redisurl_format(const struct redisurl *url)
{
	struct buf text = { 0 };

	if (url->host)
		append_network(&text, url);
	else
		buf_printf(&text, url->db ? "unix://%s?db=%u" : "unix://%s", url->socket_path,
		    url->db);
	return buf_take_text(&text);
}
