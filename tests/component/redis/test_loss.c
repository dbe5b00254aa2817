/* SPDX-License-Identifier: MIT */
/* The end of a connection, by whoever brings it about: each command is answered once, in order. */
#include "redis/conn.h"

#include <stdlib.h>
#include <string.h>

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

static bool has_failed(struct fixture *f)
{
	return conn_has_tried(f->conn);
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

static unsigned n_logged(struct fixture *f, const char *part)
{
	const char *at = fixture_log(f);
	unsigned n = 0;

	while ((at = strstr(at, part))) {
		at++;
		n++;
	}
	return n;
}

static bool is_up_often(struct fixture *f)
{
	if (f->n_up >= 6)
		return true;
	if (fixture_is_up(f))
		fakeserver_hang_up(&f->server);
	return false;
}

/* Up and down for one reason, several times a second: that is said now and then. */
static void test_losses_in_a_row_are_told_once(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	fixture_connect(f);
	fixture_run(f, is_up_often);
	assert_int_equal(n_logged(f, "\"disconnected\""), 1);
	assert_int_equal(n_logged(f, "\"level\":\"info\""), 2);
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

/* The connection starts in the first turn of the loop, and its lookup with it. */
static unsigned n_turns;

static bool lookup_has_begun(struct fixture *f)
{
	(void)f;
	return ++n_turns == 2;
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
	fixture_tcp(f, "localhost");
	n_turns = 0;
	free_in(f, lookup_has_begun);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost_with_commands_pending),
		cmocka_unit_test(test_closed_within_a_reply),
		cmocka_unit_test(test_unasked),
		cmocka_unit_test(test_losses_in_a_row_are_told_once),
		cmocka_unit_test(test_drop_in_a_reply),
		cmocka_unit_test(test_drop_from_outside),
		cmocka_unit_test(test_drop_while_connecting),
		cmocka_unit_test(test_drop_for_long),
		cmocka_unit_test(test_free_with_commands_pending),
		cmocka_unit_test(test_free_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
