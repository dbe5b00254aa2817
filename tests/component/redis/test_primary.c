/* SPDX-License-Identifier: MIT */
/* Connections that follow the primary from one server to another. */
#include "redis/sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fixture.h"
#include "redis/server.h"

enum { REPLY_SIZE = 200 };

struct world {
	struct fixture *f; /* its own server is the first primary */
	struct fakeserver other, sentinel;
	char answer[REPLY_SIZE], node[32];
	char *nodes[1];
	struct server *server;
};

static struct world *the_world;

static const char PRIMARY[] = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
static const char REPLICA[] = "*5\r\n$5\r\nslave\r\n$1\r\na\r\n:1\r\n$7\r\nconnect\r\n:-1\r\n";

static void name(struct world *w, unsigned short port)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", port);
	snprintf(w->answer, REPLY_SIZE, "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(text),
	    text);
}

static struct world *world_new(void)
{
	static char master[] = "m";
	struct world *w = the_world = xcalloc(1, sizeof(*w));
	struct fixture *f = w->f = fixture_new();

	fixture_tcp(f, "192.0.2.1");
	fakeserver_start(&w->other, f->loop, NULL);
	fakeserver_start(&w->sentinel, f->loop, NULL);
	fakeserver_rule(&f->server, "ROLE", PRIMARY);
	fakeserver_rule(&w->other, "ROLE", PRIMARY);
	fakeserver_rule(&w->sentinel, "SENTINEL get-master-addr-by-name m", w->answer);
	fakeserver_rule(&w->sentinel, "SUBSCRIBE", "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n");
	name(w, f->server.port);
	snprintf(w->node, sizeof(w->node), "127.0.0.1:%u", w->sentinel.port);
	w->nodes[0] = w->node;
	f->settings.sentinel =
	    (struct sentinel_settings){ .master = master, .nodes = { w->nodes, 1 } };
	f->host.sentinels = sentinels_new(f->loop, f->host.resolver, &f->settings);
	sentinels_open(f->host.sentinels);
	return w;
}

static void world_free(struct world *w)
{
	server_free(w->server);
	conn_free(w->f->conn);
	w->f->conn = NULL;
	sentinels_free(w->f->host.sentinels);
	fakeserver_stop(&w->other);
	fakeserver_stop(&w->sentinel);
	fixture_free(w->f);
	free(w);
}

static bool is_subscribed(struct fixture *f)
{
	(void)f;
	for (size_t i = 0; i < FAKE_CLIENTS_MAX; i++) {
		if (the_world->sentinel.clients[i].subscribed)
			return true;
	}
	return false;
}

static bool is_up_at_the_other(struct fixture *f)
{
	return fixture_is_up(f) && fakeserver_n_clients(&the_world->other) == 1;
}

static bool has_been_refused(struct fixture *f)
{
	return fixture_has_logged(f, "NOAUTH");
}

static bool has_tried_thrice(struct fixture *f)
{
	return f->server.n_accepted >= 3;
}

static void publish_switch(struct world *w)
{
	char text[100], message[REPLY_SIZE];

	snprintf(text, sizeof(text), "m 127.0.0.1 %u 127.0.0.1 %u", w->f->server.port,
	    w->other.port);
	snprintf(message, sizeof(message),
	    "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$%zu\r\n%s\r\n", strlen(text), text);
	fakeserver_publish(&w->sentinel, message);
}

/* The old primary is alive and takes itself for the primary; only the Sentinels cannot reach it. */
static void test_leaves_a_primary_that_was_deposed(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	fixture_connect(w->f);
	fixture_run(w->f, is_subscribed);
	name(w, w->other.port);
	publish_switch(w);
	fixture_run(w->f, is_up_at_the_other);
	assert_string_equal(fixture_events(w->f), "down up");
	assert_int_equal(fakeserver_n_clients(&w->f->server), 0);
	assert_true(fixture_has_logged(w->f, "the Sentinels have made another server the primary"));
	world_free(w);
}

/* As when the primary stands still: it takes connections, and says nothing. */
static void test_leaves_a_silent_primary(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->f->server.is_deaf = true;
	fixture_conn(w->f);
	conn_open(w->f->conn);
	fixture_run(w->f, is_subscribed);
	fixture_run_ms(w->f, 50);
	name(w, w->other.port);
	publish_switch(w);
	fixture_run(w->f, is_up_at_the_other);
	assert_string_equal(fixture_events(w->f), "up");
	world_free(w);
}

/* The next try is due in a minute. */
static void test_does_not_wait_when_there_is_another(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	fakeserver_rule(&w->f->server, "PING", "-NOAUTH Authentication required.\r\n");
	w->f->settings.reconnect_max_ms = 60000;
	fixture_conn(w->f);
	conn_open(w->f->conn);
	fixture_run(w->f, has_been_refused);
	name(w, w->other.port);
	fixture_run(w->f, is_up_at_the_other);
	world_free(w);
}

static void test_refuses_a_replica(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->f->server.rules[0].reply = REPLICA;
	fixture_conn(w->f);
	conn_open(w->f->conn);
	fixture_run(w->f, has_tried_thrice);
	assert_string_equal(fixture_events(w->f), "");
	assert_true(fixture_has_logged(w->f, "it is no primary, its role is: slave"));
	w->f->server.rules[0].reply = PRIMARY;
	fixture_run(w->f, fixture_is_up);
	world_free(w);
}

static void test_does_without_role(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->f->server.rules[0].reply = "-NOPERM this user has no permissions to run ROLE\r\n";
	fixture_connect(w->f);
	conn_drop(w->f->conn, "for once");
	fixture_run(w->f, fixture_is_up);
	assert_non_null(strstr(fixture_log(w->f), "NOPERM"));
	assert_null(strstr(strstr(fixture_log(w->f), "NOPERM") + 1, "NOPERM"));
	world_free(w);
}

static bool is_server_up(struct fixture *f)
{
	(void)f;
	return server_is_up(the_world->server) && fixture_is_up(f);
}

static bool are_both_at_the_other(struct fixture *f)
{
	return is_server_up(f) && fakeserver_n_clients(&the_world->other) == 2;
}

static bool is_denied(struct fixture *f)
{
	return f->n_down == 1 && fixture_has_logged(f, "the server is no primary any more");
}

/* Nobody tells but the server itself, when it is asked: then the readers, which nobody answers
 * anything, have to leave too. */
static void test_asks_the_role_from_time_to_time(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	fakeserver_rule(&w->f->server, "SCRIPT", "-ERR\r\n");
	w->server = server_new(&w->f->host, "sluiced.test");
	server_open(w->server);
	fixture_connect(w->f);
	fixture_run(w->f, is_server_up);
	w->f->server.rules[0].reply = REPLICA;
	fixture_run(w->f, is_denied);
	name(w, w->other.port);
	fixture_run(w->f, are_both_at_the_other);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leaves_a_primary_that_was_deposed),
		cmocka_unit_test(test_leaves_a_silent_primary),
		cmocka_unit_test(test_does_not_wait_when_there_is_another),
		cmocka_unit_test(test_refuses_a_replica),
		cmocka_unit_test(test_does_without_role),
		cmocka_unit_test(test_asks_the_role_from_time_to_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
