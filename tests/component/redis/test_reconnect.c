/* SPDX-License-Identifier: MIT */
/* When a connection is given up, and when it is tried again. */
#include "redis/conn.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

static bool has_tried_thrice(struct fixture *f)
{
	return f->server.n_accepted >= 3;
}

static bool has_one_reply(struct fixture *f)
{
	return f->n_replies == 1;
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
			fixture_tcp(f, "127.0.0.1");
		f->settings.connect_timeout_ms = 60;
		f->server.is_deaf = true;
		fixture_conn(f);
		conn_open(f->conn);
		fixture_run(f, has_tried_thrice);
		assert_true(has_logged_timeout(f));
		took_ms = f->server.accepted_at_ms[1] - f->server.accepted_at_ms[0];
		assert_in_range(took_ms, 60, 5000);
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
		assert_in_range(loop_now_ms(f->loop) - sent_at_ms, 80, 5000);
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
		    whole_ms[i] / 2 - 1, whole_ms[i] + 1000);
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
	assert_true(loop_now_ms(f->loop) - lost_at_ms < 155);
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
			fixture_tcp(f, "127.0.0.1");
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
	fixture_tcp(f, "127.0.0.1");
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

static bool is_down_for_long(struct fixture *f)
{
	return f->n_down == 1;
}

/* What has failed at the former place says nothing of the next one. */
static void test_another_place_is_tried_soon(void **unused)
{
	struct fixture *f = fixture_new();
	struct endpoint to = { .host = "localhost" };
	uint64_t since_ms;

	(void)unused;
	fixture_tcp(f, "127.0.0.1");
	f->settings.reconnect_initial_ms = 20;
	f->settings.reconnect_max_ms = 60000;
	fixture_connect(f);
	conn_drop_for_long(f->conn, "enough");
	fixture_run(f, is_down_for_long);
	to.port = f->server.port;
	since_ms = loop_now_ms(f->loop);
	conn_go_to(f->conn, &to);
	fixture_run(f, is_up_again);
	assert_in_range(loop_now_ms(f->loop) - since_ms, 0, 2000);
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

static void test_name_without_address(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fixture_tcp(f, "redis.invalid");
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
	fixture_tcp(f, "localhost");
	fixture_connect(f);
	fakeserver_hang_up(&f->server);
	fixture_run(f, is_up_again);
	assert_string_equal(fixture_events(f), "down up");
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect_timeout),
		cmocka_unit_test(test_answers_all_but_the_ping),
		cmocka_unit_test(test_reply_deadline),
		cmocka_unit_test(test_reply_deadline_after_a_patient_command),
		cmocka_unit_test(test_in_time),
		cmocka_unit_test(test_backoff_grows),
		cmocka_unit_test(test_backoff_begins_anew),
		cmocka_unit_test(test_hundred_reconnects_leak_nothing),
		cmocka_unit_test(test_refused_port_then_not),
		cmocka_unit_test(test_another_place_is_tried_soon),
		cmocka_unit_test(test_no_socket_then_one),
		cmocka_unit_test(test_name_without_address),
		cmocka_unit_test(test_name_with_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
