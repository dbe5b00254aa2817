/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/redisurl.h"

static void assert_text(const char *got, const char *want)
{
	if (!want)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

struct wanted {
	const char *host, *user, *password, *socket_path;
	uint16_t port;
	uint32_t db;
	bool tls;
};

static void test_accepted(void **state)
{
	static const struct {
		const char *text;
		struct wanted want;
		const char *formatted; /* NULL: as the text */
	} rows[] = {
		{ "redis://127.0.0.1:6379/0", { .host = "127.0.0.1", .port = 6379 }, NULL },
		{ "redis://localhost", { .host = "localhost", .port = 6379 },
		    "redis://localhost:6379/0" },
		{ "redis://h/", { .host = "h", .port = 6379 }, "redis://h:6379/0" },
		{ "redis://my-host_1.example:7000/2147483647",
		    { .host = "my-host_1.example", .port = 7000, .db = 2147483647 }, NULL },
		{ "redis://[::1]", { .host = "::1", .port = 6379 }, "redis://[::1]:6379/0" },
		{ "redis://[fe80::1.2.3.4]:1/5", { .host = "fe80::1.2.3.4", .port = 1, .db = 5 },
		    NULL },
		{ "redis://bob@h:65535/1", { .host = "h", .port = 65535, .db = 1, .user = "bob" },
		    NULL },
		{ "redis://bob:pw@h",
		    { .host = "h", .port = 6379, .user = "bob", .password = "pw" },
		    "redis://bob@h:6379/0" },
		{ "redis://:p%40ss%3aw%2F@h", { .host = "h", .port = 6379, .password = "p@ss:w/" },
		    "redis://h:6379/0" },
		{ "redis://a%40b:x@y@h",
		    { .host = "h", .port = 6379, .user = "a@b", .password = "x@y" },
		    "redis://a%40b@h:6379/0" },
		{ "redis://@h", { .host = "h", .port = 6379 }, "redis://h:6379/0" },
		{ "redis://u:@h", { .host = "h", .port = 6379, .user = "u", .password = "" },
		    "redis://u@h:6379/0" },
		{ "rediss://h:6380/0", { .tls = true, .host = "h", .port = 6380 }, NULL },
		{ "unix:///run/redis.sock", { .socket_path = "/run/redis.sock" }, NULL },
		{ "unix:///run/a b.sock?db=3", { .socket_path = "/run/a b.sock", .db = 3 }, NULL },
		{ "unix:///x?db=0", { .socket_path = "/x" }, "unix:///x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct wanted *want = &rows[i].want;
		const char *why = NULL;
		struct redisurl got;
		char *text;

		print_message("%s\n", rows[i].text);
		assert_int_equal(redisurl_parse(rows[i].text, &got, &why), 0);
		assert_int_equal(got.tls, want->tls);
		assert_text(got.socket_path, want->socket_path);
		assert_text(got.host, want->host);
		assert_int_equal(got.port, want->port);
		assert_text(got.user, want->user);
		assert_text(got.password, want->password);
		assert_int_equal(got.db, want->db);
		text = redisurl_format(&got);
		assert_string_equal(text, rows[i].formatted ? rows[i].formatted : rows[i].text);
		free(text);
		redisurl_done(&got);
		redisurl_done(&got);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "a URL that begins with redis://, rediss:// or unix://" },
		{ "http://h", "a URL that begins with redis://, rediss:// or unix://" },
		{ "redis:/h", "a URL that begins with redis://, rediss:// or unix://" },
		{ "REDIS://h", "a URL that begins with redis://, rediss:// or unix://" },
		{ "redis://", "a host name or address, an IPv6 address in brackets" },
		{ "redis://:6379", "a host name or address, an IPv6 address in brackets" },
		{ "redis://u@", "a host name or address, an IPv6 address in brackets" },
		{ "redis://h:", "a host name or address, an IPv6 address in brackets" },
		{ "redis://[::1", "a host name or address, an IPv6 address in brackets" },
		{ "redis://[]", "a host name or address, an IPv6 address in brackets" },
		{ "redis://[::1]x", "a host name or address, an IPv6 address in brackets" },
		{ "redis://[::1]:", "a host name or address, an IPv6 address in brackets" },
		{ "redis://a b", "a host name or address, an IPv6 address in brackets" },
		{ "redis://::1", "a host name or address, an IPv6 address in brackets" },
		{ "redis://h:0", "a port from 1 to 65535" },
		{ "redis://h:65536", "a port from 1 to 65535" },
		{ "redis://h:x", "a port from 1 to 65535" },
		{ "redis://h:6379:1", "a port from 1 to 65535" },
		{ "redis://h/2147483648", "a database number from 0 to 2147483647" },
		{ "redis://h/-1", "a database number from 0 to 2147483647" },
		{ "redis://h/01", "a database number from 0 to 2147483647" },
		{ "redis://h/0/1", "a database number from 0 to 2147483647" },
		{ "redis://h?db=1", "no ? and no # (the database is /N; ?db= is for unix:)" },
		{ "redis://h/0#x", "no ? and no # (the database is /N; ?db= is for unix:)" },
		{ "redis://u%00:p@h", "escapes from %01 to %FF in user and password" },
		{ "redis://u:%00@h", "escapes from %01 to %FF in user and password" },
		{ "redis://u:p%4@h", "escapes from %01 to %FF in user and password" },
		{ "redis://u:p%zz@h", "escapes from %01 to %FF in user and password" },
		{ "redis://u%@h", "escapes from %01 to %FF in user and password" },
		{ "unix://run/x", "an absolute path: unix:///path/to.sock" },
		{ "unix:///", "an absolute path: unix:///path/to.sock" },
		{ "unix://", "an absolute path: unix:///path/to.sock" },
		{ "unix:///x?", "nothing but ?db=N after the path" },
		{ "unix:///x?mode=1", "nothing but ?db=N after the path" },
		{ "unix:///x?db=", "a database number from 0 to 2147483647" },
		{ "unix:///x?db=1&a=2", "a database number from 0 to 2147483647" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct redisurl got = { .db = 77 };
		const char *why = NULL;

		print_message("%s\n", rows[i].text);
		assert_int_equal(redisurl_parse(rows[i].text, &got, &why), -EINVAL);
		assert_string_equal(why, rows[i].why);
		assert_int_equal(got.db, 77);
	}
}

static void test_socket_path_fits(void **state)
{
	char text[200];
	struct redisurl url;
	const char *why;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "unix:///", 8);
	text[7 + 107] = '\0';
	assert_int_equal(redisurl_parse(text, &url, &why), 0);
	redisurl_done(&url);
	text[7 + 107] = 'x';
	text[7 + 108] = '\0';
	assert_int_equal(redisurl_parse(text, &url, &why), -EINVAL);
	assert_string_equal(why, "a socket path of at most 107 bytes");
}

static void test_default(void **state)
{
	static const struct {
		const char *text;
		bool is_default;
	} rows[] = {
		{ REDISURL_DEFAULT, true },
		{ "redis://me@127.0.0.1/3", true },
		{ "redis://127.0.0.1:6380", false },
		{ "redis://127.0.0.2:6379", false },
		{ "unix:///run/redis.sock", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct redisurl url;
		const char *why;

		print_message("%s\n", rows[i].text);
		assert_int_equal(redisurl_parse(rows[i].text, &url, &why), 0);
		assert_int_equal(redisurl_is_default(&url), rows[i].is_default);
		redisurl_done(&url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_socket_path_fits),
		cmocka_unit_test(test_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
