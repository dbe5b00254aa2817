/* SPDX-License-Identifier: MIT */
/* The handshake and the replies, against a server that says whatever a server can say. */
#include "redis/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fixture.h"

enum { PATIENT_MS = 60000 };

static bool is_down(struct fixture *f)
{
	return f->n_down == f->n_up && f->n_up > 0;
}

static bool is_up_again(struct fixture *f)
{
	return f->n_up == 2;
}

static bool has_three_replies(struct fixture *f)
{
	return f->n_replies == 3;
}

static bool has_tried_thrice(struct fixture *f)
{
	return f->server.n_accepted >= 3;
}

static bool has_tried_ten_times(struct fixture *f)
{
	return f->server.n_accepted >= 10;
}

/* ---- the handshake ---- */

static const struct {
	const char *url_user, *url_password;
	uint32_t db;
	const char *username, *password;
	const char *commands;
} handshakes[] = {
	{ NULL, NULL, 0, NULL, NULL, "" },
	{ NULL, NULL, 0, NULL, "pw", "AUTH pw|" },
	{ NULL, NULL, 0, "u", "p w", "AUTH u p w|" },
	{ NULL, NULL, 0, NULL, "", "AUTH |" },
	{ "u", "p", 0, NULL, NULL, "AUTH u p|" },
	{ NULL, "p", 0, NULL, NULL, "AUTH p|" },
	{ NULL, NULL, 0, "u", NULL, "" },
	{ NULL, NULL, 3, NULL, NULL, "SELECT 3|" },
	{ NULL, NULL, 15, "u", "p", "AUTH u p|SELECT 15|" },
};

static char *copy_of(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void check_handshake(size_t i, bool tcp)
{
	struct fixture *f = fixture_new();
	struct redisurl *url = &f->settings.url;
	char *commands =
	    xasprintf("%sCLIENT SETNAME sluiced.test|CLIENT ID|PING|", handshakes[i].commands);

	if (tcp)
		fixture_tcp(f, "127.0.0.1");
	url->db = handshakes[i].db;
	url->user = copy_of(handshakes[i].url_user);
	url->password = copy_of(handshakes[i].url_password);
	f->settings.secret.username = copy_of(handshakes[i].username);
	f->settings.secret.password = copy_of(handshakes[i].password);
	fixture_conn(f);
	assert_false(conn_is_up(f->conn) || conn_has_tried(f->conn));
	conn_open(f->conn);
	fixture_run(f, fixture_is_up);
	assert_string_equal(fakeserver_commands(&f->server), commands);
	assert_string_equal(fixture_events(f), "up");
	assert_true(conn_is_up(f->conn) && conn_has_tried(f->conn));
	assert_int_equal(conn_client_id(f->conn), 42);
	assert_int_equal(conn_n_pending(f->conn), 0);
	assert_true(fixture_has_logged(f, "\"connected\""));
	free(commands);
	free(f->settings.secret.username);
	free(f->settings.secret.password);
	fixture_free(f);
}

static void test_handshake(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(handshakes); i++) {
		check_handshake(i, false);
		check_handshake(i, true);
	}
}

/* What makes it fail, and how often it is tried meanwhile: an error that a person has to mend waits
 * for the longest delay at once. */
static const struct {
	const char *greeting, *command, *reply; /* command NULL: a friendly server */
	const char *logged;
	bool needs_person;
} refusals[] = {
	{ NULL, "AUTH", "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
	    "AUTH: WRONGPASS invalid", true },
	{ NULL, "AUTH", "-ERR AUTH <password> called without any password configured\r\n",
	    "AUTH: ERR AUTH", true },
	{ NULL, "SELECT", "-ERR DB index is out of range\r\n", "SELECT: ERR DB index", false },
	{ NULL, "PING", "-LOADING Redis is loading the dataset in memory\r\n", "PING: LOADING",
	    false },
	{ NULL, "PING", "-MASTERDOWN Link with MASTER is down\r\n", "PING: MASTERDOWN", false },
	{ NULL, "", "-NOAUTH Authentication required.\r\n", "AUTH: NOAUTH", true },
	{ NULL, "CLIENT SETNAME", CLOSES, "closed by the server", false },
	{ NULL, "PING", CLOSES, "closed by the server", false },
	{ NULL, "PING", "HTTP/1.1 400 Bad Request\r\n\r\n", "no Redis protocol", false },
	{ NULL, "CLIENT SETNAME", "%1\r\n+a\r\n+b\r\n", "no Redis protocol", false },
	{ "-ERR max number of clients reached\r\n", "", CLOSES, "max number of clients reached",
	    false },
	{ "-DENIED Redis is running in protected mode\r\n", "", CLOSES, "DENIED Redis is", true },
};

static void check_refusal(size_t i, bool with_auth)
{
	struct fixture *f = fixture_new();
	char password[] = "pw";

	if (with_auth)
		f->settings.secret.password = password;
	f->settings.url.db = 1;
	if (refusals[i].needs_person)
		f->settings.reconnect_max_ms = 400;
	f->server.greeting = refusals[i].greeting;
	fakeserver_rule(&f->server, refusals[i].command, refusals[i].reply);
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, has_tried_thrice);
	assert_string_equal(fixture_events(f), "");
	if (!fixture_has_logged(f, refusals[i].logged))
		fail_msg("%s: %s", refusals[i].logged, fixture_log(f));
	assert_int_equal(fixture_has_logged(f, "\"level\":\"error\""), refusals[i].needs_person);
	assert_false(conn_is_up(f->conn));
	assert_true(conn_has_tried(f->conn));
	if (refusals[i].needs_person)
		assert_in_range(f->server.accepted_at_ms[2] - f->server.accepted_at_ms[1], 199,
		    600);
	fixture_free(f);
}

static void test_refused(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		check_refusal(i, true);
		if (strncmp(refusals[i].logged, "AUTH:", 5) != 0)
			check_refusal(i, false);
	}
}

/* Less than all permissions are no reason not to work. */
static void test_acl_refuses_client_and_ping(void **unused)
{
	static const char *const denied[] = {
		"-NOPERM this user has no permissions to run the 'client' command or its "
		"subcommand\r\n",
		"-ERR unknown command `CLIENT`, with args beginning with: `SETNAME`, \r\n",
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
		struct fixture *f = fixture_new();

		fakeserver_rule(&f->server, "CLIENT", denied[i]);
		fakeserver_rule(&f->server, "PING",
		    "-NOPERM User u has no permissions to run the 'ping' command\r\n");
		fixture_connect(f);
		assert_int_equal(conn_client_id(f->conn), 0);
		fixture_free(f);
	}
}

/* ---- replies ---- */

static void test_replies_in_pieces(void **unused)
{
	(void)unused;
	for (size_t piece = 1; piece < 12; piece++) {
		struct fixture *f = fixture_new();

		f->server.piece = piece;
		fakeserver_rule(&f->server, "A", "$5\r\nab\r\nc\r\n");
		fakeserver_rule(&f->server, "B", "*2\r\n*1\r\n:1\r\n$-1\r\n");
		fakeserver_rule(&f->server, "C", "-ERR no\r\n");
		fixture_connect(f);
		fixture_send(f, 1, "A one two", PATIENT_MS);
		fixture_send(f, 2, "B", PATIENT_MS);
		fixture_send(f, 3, "C", PATIENT_MS);
		assert_int_equal(conn_n_pending(f->conn), 3);
		fixture_run(f, has_three_replies);
		assert_string_equal(fixture_events(f), "1:ab\r\nc 2:[2] 3:ERR no");
		assert_string_equal(fakeserver_commands(&f->server), "A one two|B|C|");
		assert_int_equal(conn_n_pending(f->conn), 0);
		fixture_free(f);
	}
}

static bool has_many_replies(struct fixture *f)
{
	return f->n_replies == 3000;
}

/* More than socket buffers hold, both ways. */
static void test_large_pipeline(void **unused)
{
	enum { LEN = 5000 };
	struct fixture *f = fixture_new();
	char *large = xcalloc(1, LEN + 64), *reply = xcalloc(1, LEN + 64);
	int expected = 1;

	(void)unused;
	memset(large, 'x', LEN);
	memcpy(large, "A ", 2);
	sprintf(reply, "$%d\r\n%s\r\n", LEN, large);
	fakeserver_rule(&f->server, "A", ":7\r\n");
	fakeserver_rule(&f->server, "B", reply);
	fixture_connect(f);
	for (int i = 1; i <= 3000; i++)
		fixture_send(f, i, i % 2 ? large : "B", PATIENT_MS);
	fixture_run(f, has_many_replies);
	for (const char *p = fixture_events(f); p && *p; p = strchr(p, ' ')) {
		p += *p == ' ';
		if (*p >= '0' && *p <= '9')
			assert_int_equal(strtol(p, NULL, 10), expected++);
	}
	free(large);
	free(reply);
	fixture_free(f);
}

static bool has_one_reply(struct fixture *f)
{
	return f->n_replies == 1;
}

static void test_huge_reply(void **unused)
{
	enum { LEN = 8 << 20 };
	struct fixture *f = fixture_new();
	char *reply = xcalloc(1, LEN + 64);
	int n = sprintf(reply, "*1\r\n$%d\r\n", LEN);

	(void)unused;
	memset(reply + n, 'y', LEN);
	memcpy(reply + n + LEN, "\r\n", 3);
	fakeserver_rule(&f->server, "A", reply);
	fixture_connect(f);
	fixture_send(f, 1, "A", PATIENT_MS);
	fixture_run(f, has_one_reply);
	assert_string_equal(fixture_events(f), "1:[1]");
	assert_true(f->host.decoders.arenas.n_spare <= 16);
	free(reply);
	fixture_free(f);
}

/* A thousand quiet streams have a thousand connections. */
static void test_one_that_is_up_keeps_no_memory(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fixture_connect(f);
	fixture_run_ms(f, 0);
	assert_non_null(f->host.spare_out.memory);
	assert_non_null(f->host.decoders.in.memory);
	assert_non_null(f->host.decoders.reader);
	assert_non_null(f->host.decoders.arenas.spare);
	fixture_free(f);
}

/* ---- the password file ---- */

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void check_password_from(struct fixture *f, const char *path)
{
	write_file(path, "first\n");
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, fixture_is_up);
	assert_non_null(strstr(fakeserver_commands(&f->server), "AUTH first|"));
	write_file(path, "sec ond");
	fakeserver_hang_up(&f->server);
	fixture_run(f, is_up_again);
	assert_non_null(strstr(fakeserver_commands(&f->server), "AUTH sec ond|"));
	assert_false(fixture_has_logged(f, "first"));
	unlink(path);
}

static void test_password_file(void **unused)
{
	struct fixture *f = fixture_new();
	char *path = xasprintf("%s/password", f->folder);

	(void)unused;
	f->settings.secret.password_file = path;
	check_password_from(f, path);
	fakeserver_hang_up(&f->server);
	fixture_run(f, is_down);
	fixture_run_ms(f, 50);
	assert_true(fixture_has_logged(f, path));
	assert_true(fixture_has_logged(f, "No such file or directory"));
	assert_int_equal(f->n_up, 2);
	write_file(path, "third\n");
	fixture_run(f, fixture_is_up);
	unlink(path);
	free(path);
	fixture_free(f);
}

static void test_password_credential(void **unused)
{
	struct fixture *f = fixture_new();
	char name[] = "redis-password";
	char *path = xasprintf("%s/%s", f->folder, name);

	(void)unused;
	setenv("CREDENTIALS_DIRECTORY", f->folder, 1);
	f->settings.secret.password_credential = name;
	check_password_from(f, path);
	unsetenv("CREDENTIALS_DIRECTORY");
	free(path);
	fixture_free(f);
}

/* Repeated failures are one line in the log. */
static void test_log_is_not_filled(void **unused)
{
	struct fixture *f = fixture_new();
	const char *first;

	(void)unused;
	f->settings.reconnect_initial_ms = f->settings.reconnect_max_ms = 1;
	f->server.closes_at_once = true;
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, has_tried_ten_times);
	first = strstr(fixture_log(f), "cannot connect");
	assert_non_null(first);
	assert_null(strstr(first + 1, "cannot connect"));
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_acl_refuses_client_and_ping),
		cmocka_unit_test(test_replies_in_pieces),
		cmocka_unit_test(test_large_pipeline),
		cmocka_unit_test(test_huge_reply),
		cmocka_unit_test(test_one_that_is_up_keeps_no_memory),
		cmocka_unit_test(test_password_file),
		cmocka_unit_test(test_password_credential),
		cmocka_unit_test(test_log_is_not_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
