/* SPDX-License-Identifier: MIT */
/* One connection against a server that does whatever a server can do. */
#include "redis/conn.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fixture.h"
#include "redis/command.h"

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
		fixture_tcp(f);
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
	assert_true(f->host.arena_cache.n_spare <= 16);
	free(reply);
	fixture_free(f);
}

/* ---- losing it ---- */

static const struct {
	const char *command, *reply, *events;
} losses[] = {
	{ "c", CLOSES, "1:a 2:b 3:NULL 4:NULL 5:NULL down" },
	{ "a", CLOSES, "1:NULL 2:NULL 3:NULL 4:NULL 5:NULL down" },
	{ "c", "garbage\r\n", "1:a 2:b 3:NULL 4:NULL 5:NULL down" },
	{ "c", "*2147483647\r\n", "1:a 2:b 3:NULL 4:NULL 5:NULL down" },
	{ "e", "+e\r\n+unasked\r\n", "1:a 2:b 3:c 4:d 5:e down" },
	{ "e", "+e\r\n:1\r\n", "1:a 2:b 3:c 4:d 5:e down" },
};

static void test_lost_with_commands_pending(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(losses); i++) {
		struct fixture *f = fixture_new();

		fakeserver_rule(&f->server, losses[i].command, losses[i].reply);
		fakeserver_rule(&f->server, "a", "+a\r\n");
		fakeserver_rule(&f->server, "b", "+b\r\n");
		fakeserver_rule(&f->server, "c", "+c\r\n");
		fakeserver_rule(&f->server, "d", "+d\r\n");
		fixture_connect(f);
		fixture_send(f, 1, "a", PATIENT_MS);
		fixture_send(f, 2, "b", PATIENT_MS);
		fixture_send(f, 3, "c", PATIENT_MS);
		fixture_send(f, 4, "d", PATIENT_MS);
		fixture_send(f, 5, "e", PATIENT_MS);
		fixture_run(f, is_down);
		assert_string_equal(fixture_events(f), losses[i].events);
		assert_int_equal(conn_n_losses(f->conn), 1);
		assert_int_equal(conn_n_pending(f->conn), 0);
		fixture_free(f);
	}
}

/* Half a reply, then the end. */
static void test_closed_within_a_reply(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fakeserver_rule(&f->server, "A", "*3\r\n$3\r\nabc\r\n$10\r\nab");
	fakeserver_rule(&f->server, "B", CLOSES);
	fixture_connect(f);
	fixture_send(f, 1, "A", PATIENT_MS);
	fixture_send(f, 2, "B", PATIENT_MS);
	fixture_run(f, is_up_again);
	assert_string_equal(fixture_events(f), "1:NULL 2:NULL down up");
	fixture_free(f);
}

static const struct {
	const char *bytes, *logged;
} unasked[] = {
	{ "-ERR max number of clients reached\r\n", "max number of clients reached" },
	{ ":1\r\n", "lost the connection" },
	{ "+\r\n", "lost the connection" },
	{ "*0\r\n", "lost the connection" },
	{ "\r\n", "no Redis protocol" },
};

static void test_unasked(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(unasked); i++) {
		struct fixture *f = fixture_new();

		fixture_connect(f);
		fakeserver_say(&f->server, unasked[i].bytes, strlen(unasked[i].bytes));
		fixture_run(f, is_up_again);
		assert_string_equal(fixture_events(f), "down up");
		assert_true(fixture_has_logged(f, unasked[i].logged));
		fixture_free(f);
	}
}

/* ---- time ---- */

static bool has_logged_timeout(struct fixture *f)
{
	return strstr(fixture_log(f), "timed out after 60 ms");
}

static void test_connect_timeout(void **unused)
{
	(void)unused;
	for (int tcp = 0; tcp < 2; tcp++) {
		struct fixture *f = fixture_new();
		uint64_t took_ms;

		if (tcp)
			fixture_tcp(f);
		f->settings.connect_timeout_ms = 60;
		f->server.is_deaf = true;
		fixture_conn(f);
		conn_open(f->conn);
		fixture_run(f, has_tried_thrice);
		assert_true(has_logged_timeout(f));
		took_ms = f->server.accepted_at_ms[1] - f->server.accepted_at_ms[0];
		assert_in_range(took_ms, 60, 1000);
		assert_string_equal(fixture_events(f), "");
		fixture_free(f);
	}
}

static void test_answers_all_but_the_ping(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	f->settings.connect_timeout_ms = 60;
	fakeserver_rule(&f->server, "PING", NULL);
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, has_logged_timeout);
	assert_string_equal(fixture_events(f), "");
	fixture_free(f);
}

/* The time allowed is that of the oldest command without a reply, whatever came before it. */
static const struct {
	const char *name;
	uint64_t first_ms, second_ms;
	const char *first_reply;
	const char *events;
} deadlines[] = {
	{ "alone", 80, PATIENT_MS, NULL, "1:NULL 2:NULL down" },
	{ "behind a patient one", PATIENT_MS, 80, "+a\r\n", "1:a 2:NULL down" },
	{ "behind an impatient one", 20, 80, "+a\r\n", "1:a 2:NULL down" },
};

static void test_reply_deadline(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(deadlines); i++) {
		struct fixture *f = fixture_new();
		uint64_t sent_at_ms;

		f->settings.reconnect_initial_ms = f->settings.reconnect_max_ms = 5000;
		fakeserver_rule(&f->server, "A", deadlines[i].first_reply);
		fakeserver_rule(&f->server, "B", NULL);
		fixture_connect(f);
		sent_at_ms = loop_now_ms(f->loop);
		fixture_send(f, 1, "A", deadlines[i].first_ms);
		fixture_send(f, 2, "B", deadlines[i].second_ms);
		fixture_run(f, is_down);
		assert_string_equal(fixture_events(f), deadlines[i].events);
		assert_in_range(loop_now_ms(f->loop) - sent_at_ms, 80, 1500);
		assert_true(fixture_has_logged(f, "no reply in time"));
		fixture_free(f);
	}
}

/* A patient command was answered long ago; its timer must not stand in for that of the next. */
static void test_reply_deadline_after_a_patient_command(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fakeserver_rule(&f->server, "A", "+a\r\n");
	fakeserver_rule(&f->server, "B", NULL);
	fixture_connect(f);
	fixture_send(f, 1, "A", PATIENT_MS);
	fixture_run(f, has_one_reply);
	fixture_send(f, 2, "B", 80);
	fixture_run(f, is_down);
	assert_string_equal(fixture_events(f), "1:a 2:NULL down");
	fixture_free(f);
}

/* Replies in time, over and over: nothing is dropped. */
static void on_reply_send_again(void *owner, void *number, const struct reply *r)
{
	struct fixture *f = owner;

	fixture_on_reply(f, number, r);
	if (!r || f->n_replies == 100)
		return;
	command_words(conn_out(f->conn), "A", NULL);
	conn_expect(f->conn, 150, on_reply_send_again, f, NULL);
}

static bool has_hundred_replies(struct fixture *f)
{
	return f->n_replies >= 100;
}

static void test_in_time(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	f->server.piece = 2;
	fakeserver_rule(&f->server, "A", "+aaaaaa\r\n");
	fixture_connect(f);
	command_words(conn_out(f->conn), "A", NULL);
	conn_expect(f->conn, 150, on_reply_send_again, f, NULL);
	fixture_run(f, has_hundred_replies);
	assert_int_equal(f->n_down, 0);
	fixture_free(f);
}

/* ---- coming back ---- */

static bool has_tried_ten_times(struct fixture *f)
{
	return f->server.n_accepted >= 10;
}

static void test_backoff_grows(void **unused)
{
	static const uint64_t whole_ms[] = { 16, 32, 64, 80, 80, 80, 80, 80, 80 };
	struct fixture *f = fixture_new();

	(void)unused;
	f->settings.reconnect_initial_ms = 16;
	f->settings.reconnect_max_ms = 80;
	f->server.closes_at_once = true;
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, has_tried_ten_times);
	for (size_t i = 0; i < ARRAY_LEN(whole_ms); i++)
		assert_in_range(f->server.accepted_at_ms[i + 1] - f->server.accepted_at_ms[i],
		    whole_ms[i] / 2 - 1, whole_ms[i] + 200);
	assert_string_equal(fixture_events(f), "");
	assert_int_equal(conn_n_losses(f->conn), 0);
	fixture_free(f);
}

/* A server that greets and dies again and again is no stable one: the delays go on growing. After a
 * second of being up they begin anew. */
static void test_backoff_begins_anew(void **unused)
{
	struct fixture *f = fixture_new();
	uint64_t lost_at_ms;

	(void)unused;
	f->settings.reconnect_initial_ms = 10;
	f->settings.reconnect_max_ms = 640;
	fixture_conn(f);
	conn_open(f->conn);
	for (unsigned i = 0; i < 5; i++) {
		fixture_run(f, fixture_is_up);
		fakeserver_hang_up(&f->server);
		fixture_run(f, is_down);
	}
	lost_at_ms = loop_now_ms(f->loop);
	fixture_run(f, fixture_is_up);
	assert_true(loop_now_ms(f->loop) - lost_at_ms >= 79);
	fixture_run_ms(f, 1050);
	fakeserver_hang_up(&f->server);
	fixture_run(f, is_down);
	lost_at_ms = loop_now_ms(f->loop);
	fixture_run(f, fixture_is_up);
	assert_true(loop_now_ms(f->loop) - lost_at_ms < 75);
	assert_int_equal(conn_n_losses(f->conn), 6);
	fixture_free(f);
}

static bool has_come_up_hundred_times(struct fixture *f)
{
	if (fixture_is_up(f) && f->n_up < 100)
		fakeserver_hang_up(&f->server);
	return f->n_up == 100 && conn_is_up(f->conn);
}

static void check_sockets_are_cloexec(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned n_sockets = 0;

	while ((entry = readdir(dir))) {
		int fd = atoi(entry->d_name);
		struct stat st;

		if (entry->d_name[0] == '.' || fstat(fd, &st) || !S_ISSOCK(st.st_mode))
			continue;
		if (fd > STDERR_FILENO) {
			n_sockets++;
			assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		}
	}
	closedir(dir);
	assert_true(n_sockets >= 3);
}

static void test_hundred_reconnects_leak_nothing(void **unused)
{
	(void)unused;
	for (int tcp = 0; tcp < 2; tcp++) {
		struct fixture *f = fixture_new();
		size_t n_fds;

		if (tcp)
			fixture_tcp(f);
		f->settings.reconnect_initial_ms = f->settings.reconnect_max_ms = 1;
		fixture_connect(f);
		n_fds = fixture_n_fds();
		fixture_run(f, has_come_up_hundred_times);
		assert_int_equal(fixture_n_fds(), n_fds);
		check_sockets_are_cloexec();
		assert_int_equal(conn_n_losses(f->conn), 99);
		assert_int_equal(f->n_down, 99);
		fixture_free(f);
	}
}

static bool has_failed(struct fixture *f)
{
	return conn_has_tried(f->conn);
}

static void test_refused_port_then_not(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fixture_tcp(f);
	fakeserver_stop(&f->server);
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, has_failed);
	assert_true(fixture_has_logged(f, "Connection refused"));
	assert_string_equal(fixture_events(f), "");
	/* Another port, for this one may be taken meanwhile: settings are read at each try. */
	fakeserver_start(&f->server, f->loop, NULL);
	f->settings.url.port = f->server.port;
	fixture_run(f, fixture_is_up);
	fixture_free(f);
}

static void test_no_socket_then_one(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fakeserver_stop(&f->server);
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, has_failed);
	assert_true(fixture_has_logged(f, "No such file or directory"));
	fakeserver_start(&f->server, f->loop, f->folder);
	fixture_run(f, fixture_is_up);
	fixture_free(f);
}

static void use_host(struct fixture *f, const char *host)
{
	fixture_tcp(f);
	free(f->settings.url.host);
	f->settings.url.host = xstrdup(host);
}

static void test_name_without_address(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	use_host(f, "redis.invalid");
	f->settings.connect_timeout_ms = 2000; /* where name servers are out of reach */
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, has_failed);
	assert_true(fixture_has_logged(f, "redis.invalid: ") || fixture_has_logged(f, "timed out"));
	assert_false(conn_is_up(f->conn));
	fixture_free(f);
}

/* localhost may have an IPv6 address first, where nobody listens. */
static void test_name_with_addresses(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	use_host(f, "localhost");
	fixture_connect(f);
	fakeserver_hang_up(&f->server);
	fixture_run(f, is_up_again);
	assert_string_equal(fixture_events(f), "down up");
	fixture_free(f);
}

/* ---- dropping it oneself ---- */

static bool in_callback;

static void on_reply_drop(void *owner, void *number, const struct reply *r)
{
	struct fixture *f = owner;

	in_callback = true;
	fixture_on_reply(owner, number, r);
	if (r)
		conn_drop(f->conn, "because the test says so");
	conn_drop(f->conn, "a second reason");
	assert_false(conn_is_up(f->conn));
	in_callback = false;
}

static void on_down_alone(void *owner)
{
	assert_false(in_callback);
	fixture_on_down(owner);
}

static void test_drop_in_a_reply(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	f->conn = conn_new(&(struct conn_spec){ .host = &f->host,
	    .client_name = "x",
	    .owner = f,
	    .on_up = fixture_on_up,
	    .on_down = on_down_alone });
	fakeserver_rule(&f->server, "A", "+a\r\n");
	fakeserver_rule(&f->server, "B", "+b\r\n");
	conn_open(f->conn);
	fixture_run(f, fixture_is_up);
	fixture_send(f, 1, "A", PATIENT_MS);
	command_words(conn_out(f->conn), "A", NULL);
	conn_expect(f->conn, PATIENT_MS, on_reply_drop, f, (void *)(intptr_t)2);
	fixture_send(f, 3, "B", PATIENT_MS);
	command_words(conn_out(f->conn), "A", NULL);
	conn_expect(f->conn, PATIENT_MS, on_reply_drop, f, (void *)(intptr_t)4);
	fixture_run(f, is_up_again);
	assert_string_equal(fixture_events(f), "up 1:a 2:a 3:NULL 4:NULL down up");
	assert_true(fixture_has_logged(f, "because the test says so"));
	assert_false(fixture_has_logged(f, "a second reason"));
	fixture_free(f);
}

static void test_drop_from_outside(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fixture_connect(f);
	fixture_send(f, 1, "PING", PATIENT_MS);
	conn_drop(f->conn, "reasons");
	conn_drop(f->conn, "other reasons");
	assert_false(conn_is_up(f->conn));
	assert_string_equal(fixture_events(f), "");
	fixture_run(f, is_up_again);
	assert_string_equal(fixture_events(f), "1:NULL down up");
	fixture_free(f);
}

static void test_drop_while_connecting(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fixture_conn(f);
	conn_drop(f->conn, "not even open");
	f->server.is_deaf = true;
	conn_open(f->conn);
	fixture_run_ms(f, 30);
	f->server.is_deaf = false;
	conn_drop(f->conn, "in the handshake");
	fixture_run(f, fixture_is_up);
	assert_string_equal(fixture_events(f), "up");
	assert_true(fixture_has_logged(f, "in the handshake"));
	assert_false(fixture_has_logged(f, "not even open"));
	fixture_free(f);
}

static void test_drop_for_long(void **unused)
{
	struct fixture *f = fixture_new();
	uint64_t dropped_at_ms;

	(void)unused;
	f->settings.reconnect_max_ms = 300;
	fixture_conn(f);
	conn_drop_for_long(f->conn, "no effect while down");
	conn_open(f->conn);
	fixture_run(f, fixture_is_up);
	fakeserver_hang_up(&f->server);
	fixture_run(f, is_up_again);
	assert_false(fixture_has_logged(f, "\"level\":\"error\""));
	dropped_at_ms = loop_now_ms(f->loop);
	conn_drop_for_long(f->conn, "a person has to see to it");
	fixture_run(f, is_down);
	fixture_run(f, fixture_is_up);
	assert_true(loop_now_ms(f->loop) - dropped_at_ms >= 149);
	assert_true(fixture_has_logged(f, "\"level\":\"error\""));
	fixture_free(f);
}

/* ---- the end of it ---- */

static void test_free_with_commands_pending(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fixture_connect(f);
	for (int i = 1; i <= 20; i++)
		fixture_send(f, i, "PING", PATIENT_MS);
	conn_free(f->conn);
	f->conn = NULL;
	assert_string_equal(fixture_events(f),
	    "1:NULL 2:NULL 3:NULL 4:NULL 5:NULL 6:NULL 7:NULL 8:NULL 9:NULL 10:NULL 11:NULL "
	    "12:NULL 13:NULL 14:NULL 15:NULL 16:NULL 17:NULL 18:NULL 19:NULL 20:NULL");
	assert_int_equal(f->n_down, 0);
	fixture_run_ms(f, 20);
	assert_string_equal(fixture_events(f), "");
	fixture_free(f);
}

static bool server_has_accepted(struct fixture *f)
{
	return f->server.n_accepted > 0;
}

static void free_in(struct fixture *f, bool (*state)(struct fixture *f))
{
	fixture_conn(f);
	conn_open(f->conn);
	if (state)
		fixture_run(f, state);
	conn_free(f->conn);
	f->conn = NULL;
	fixture_run_ms(f, 20);
	assert_int_equal(f->n_down, 0);
	fixture_free(f);
}

static void test_free_at_any_time(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	conn_free(NULL);
	fixture_conn(f);
	fixture_free(f); /* never opened */
	free_in(fixture_new(), NULL);
	free_in(fixture_new(), server_has_accepted);
	free_in(fixture_new(), fixture_is_up);
	f = fixture_new();
	f->server.is_deaf = true;
	free_in(f, server_has_accepted);
	f = fixture_new();
	f->server.closes_at_once = true;
	free_in(f, has_failed);
	f = fixture_new();
	use_host(f, "localhost");
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run_ms(f, 0); /* the name is being looked up */
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
		cmocka_unit_test(test_lost_with_commands_pending),
		cmocka_unit_test(test_closed_within_a_reply),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_connect_timeout),
		cmocka_unit_test(test_answers_all_but_the_ping),
		cmocka_unit_test(test_reply_deadline),
		cmocka_unit_test(test_reply_deadline_after_a_patient_command),
		cmocka_unit_test(test_in_time),
		cmocka_unit_test(test_backoff_grows),
		cmocka_unit_test(test_backoff_begins_anew),
		cmocka_unit_test(test_hundred_reconnects_leak_nothing),
		cmocka_unit_test(test_refused_port_then_not),
		cmocka_unit_test(test_no_socket_then_one),
		cmocka_unit_test(test_name_without_address),
		cmocka_unit_test(test_name_with_addresses),
		cmocka_unit_test(test_drop_in_a_reply),
		cmocka_unit_test(test_drop_from_outside),
		cmocka_unit_test(test_drop_while_connecting),
		cmocka_unit_test(test_drop_for_long),
		cmocka_unit_test(test_free_with_commands_pending),
		cmocka_unit_test(test_free_at_any_time),
		cmocka_unit_test(test_password_file),
		cmocka_unit_test(test_password_credential),
		cmocka_unit_test(test_log_is_not_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
