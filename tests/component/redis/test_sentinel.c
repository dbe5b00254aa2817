/* SPDX-License-Identifier: MIT */
/* Sentinels that say whatever Sentinels can say, and who hears of it. */
#include "redis/sentinel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fixture.h"

enum { N_SENTINELS = 3, N_USERS = 4, REPLY_SIZE = 512 };

static const struct endpoint A = { "10.0.0.1", 6379 }, B = { "10.0.0.2", 6379 },
                             C = { "::1", 6380 };

struct user {
	struct primary_user user;
	struct world *world;
	char name;
};

struct world {
	struct fixture *f;
	struct fakeserver fakes[N_SENTINELS];
	char answers[N_SENTINELS][REPLY_SIZE], addresses[N_SENTINELS][32];
	char *nodes[N_SENTINELS];
	struct sentinels *sentinels;
	struct user users[N_USERS];
};

static struct world *the_world;

static const char SUBSCRIBED[] = "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n";

static void say(struct world *w, size_t i, const char *reply)
{
	snprintf(w->answers[i], REPLY_SIZE, "%s", reply);
}

static void name(struct world *w, size_t i, const struct endpoint *e)
{
	char port[8];

	snprintf(port, sizeof(port), "%u", e->port);
	snprintf(w->answers[i], REPLY_SIZE, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(e->host),
	    e->host, strlen(port), port);
}

static void all_name(struct world *w, const struct endpoint *e)
{
	for (size_t i = 0; i < N_SENTINELS; i++)
		name(w, i, e);
}

static void on_answer(void *owner, const struct endpoint *primary, const char *why)
{
	struct user *u = owner;

	fixture_note(u->world->f, "%c:%s", u->name, primary ? endpoint_text(primary).text : why);
}

/* As a connection does: it lets go, and will ask again. One that has not begun does not care. */
static void on_moved(void *owner, const char *why)
{
	struct user *u = owner;

	assert_non_null(why);
	if (u->user.number)
		fixture_note(u->world->f, "%c:moved", u->name);
	primary_let_go(&u->user);
}

static void start_fake(struct world *w, size_t i)
{
	fakeserver_start(&w->fakes[i], w->f->loop, NULL);
	fakeserver_rule(&w->fakes[i], "SENTINEL get-master-addr-by-name m", w->answers[i]);
	fakeserver_rule(&w->fakes[i], "SUBSCRIBE +switch-master", SUBSCRIBED);
	snprintf(w->addresses[i], sizeof(w->addresses[i]), "127.0.0.1:%u", w->fakes[i].port);
	w->nodes[i] = w->addresses[i];
}

static struct world *world_new(void)
{
	static char master[] = "m";
	struct world *w = the_world = xcalloc(1, sizeof(*w));

	w->f = fixture_new();
	for (size_t i = 0; i < N_SENTINELS; i++)
		start_fake(w, i);
	all_name(w, &A);
	w->f->settings.connect_timeout_ms = 800;
	w->f->settings.sentinel =
	    (struct sentinel_settings){ .master = master, .nodes = { w->nodes, N_SENTINELS } };
	return w;
}

static void world_open(struct world *w)
{
	w->sentinels = sentinels_new(w->f->loop, w->f->host.resolver, &w->f->settings);
	for (size_t i = 0; i < N_USERS; i++) {
		struct user *u = &w->users[i];

		u->world = w;
		u->name = (char)('a' + i);
		u->user = (struct primary_user){ .owner = u,
			.on_answer = on_answer,
			.on_moved = on_moved };
		primary_join(w->sentinels, &u->user);
	}
	sentinels_open(w->sentinels);
}

static void world_free(struct world *w)
{
	conn_free(w->f->conn);
	w->f->conn = NULL;
	for (size_t i = 0; i < N_USERS; i++)
		primary_leave(&w->users[i].user);
	sentinels_free(w->sentinels);
	for (size_t i = 0; i < N_SENTINELS; i++)
		fakeserver_stop(&w->fakes[i]);
	fixture_free(w->f);
	free(w);
}

static struct primary_user *user(struct world *w, size_t i)
{
	return &w->users[i].user;
}

static bool nobody_asks(struct fixture *f)
{
	(void)f;
	for (size_t i = 0; i < N_USERS; i++) {
		if (the_world->users[i].user.state == PRIMARY_ASKING)
			return false;
	}
	return true;
}

/* They ask, and are answered. */
static void ask(struct world *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		primary_ask(user(w, i));
	fixture_run(w->f, nobody_asks);
}

static bool all_are_subscribed(struct fixture *f)
{
	(void)f;
	for (size_t i = 0; i < N_SENTINELS; i++) {
		bool subscribed = false;

		for (size_t k = 0; k < FAKE_CLIENTS_MAX; k++)
			subscribed = subscribed || the_world->fakes[i].clients[k].subscribed;
		if (!subscribed)
			return false;
	}
	return true;
}

static bool somebody_moved(struct fixture *f)
{
	return buf_len(&f->events) > 0;
}

static size_t n_queries(struct world *w)
{
	size_t n = 0;

	for (size_t i = 0; i < N_SENTINELS; i++) {
		const char *seen = fakeserver_commands(&w->fakes[i]);

		while ((seen = strstr(seen, "get-master-addr"))) {
			seen++;
			n++;
		}
	}
	return n;
}

/* ---- questions ---- */

static void test_one_query_for_all(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	world_open(w);
	fixture_run(w->f, all_are_subscribed);
	fixture_run_ms(w->f, 60);
	n_queries(w);
	ask(w, N_USERS);
	assert_string_equal(fixture_events(w->f),
	    "a:10.0.0.1:6379 b:10.0.0.1:6379 c:10.0.0.1:6379 d:10.0.0.1:6379");
	/* A periodic one may have come between. */
	assert_in_range(n_queries(w), 1, 2 * N_SENTINELS);
	world_free(w);
}

static void test_asked_before_they_are_connected(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	all_name(w, &C);
	world_open(w);
	ask(w, 1);
	assert_string_equal(fixture_events(w->f), "a:[::1]:6380");
	world_free(w);
}

static void test_answers_are_newer_than_questions(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	world_open(w);
	for (size_t i = 0; i < 20; i++) {
		const struct endpoint *e = i % 2 ? &B : &A;

		all_name(w, e);
		primary_ask(user(w, 0));
		fixture_run(w->f, nobody_asks);
		assert_true(endpoint_equals(&user(w, 0)->at, e));
		primary_let_go(user(w, 0));
	}
	world_free(w);
}

/* What all but the last Sentinel say, which makes no difference, and what is said when all do. */
static const struct {
	const char *reply, *why; /* reply NULL: none */
} bad_answers[] = {
	{ "*-1\r\n", "the Sentinels do not know \"m\"" },
	{ "$-1\r\n", "the Sentinels do not know \"m\"" },
	{ "-IDONTKNOW I have not enough information to reply.\r\n",
	    "no Sentinel names the primary: 127.0.0.1" },
	{ "-NOPERM this user has no permissions\r\n", "NOPERM this user has no permissions" },
	{ "*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n1\r\n", "what it answered is no address" },
	{ "*2\r\n$1\r\na\r\n:1\r\n", "what it answered is no address" },
	{ "*2\r\n$1\r\na\r\n$5\r\n65536\r\n", "what it answered is no address" },
	{ "*2\r\n$0\r\n\r\n$1\r\n1\r\n", "what it answered is no address" },
	{ "+OK\r\n", "what it answered is no address" },
	{ "HTTP/1.1 400 Bad Request\r\n", "no Redis protocol" },
	{ CLOSES, "closed by the server" },
	{ NULL, "it does not answer" },
};

static void answer_badly(struct world *w, size_t i, const char *reply)
{
	if (reply == CLOSES || !reply)
		w->fakes[i].rules[0].reply = reply;
	else
		say(w, i, reply);
}

static void check_bad_answer(size_t row, size_t n_bad, const char *expected)
{
	struct world *w = world_new();

	for (size_t i = 0; i < n_bad; i++)
		answer_badly(w, i, bad_answers[row].reply);
	w->f->settings.reconnect_initial_ms = w->f->settings.reconnect_max_ms = 10000;
	world_open(w);
	primary_ask(user(w, 0));
	fixture_run(w->f, nobody_asks);
	expected = strstr(fixture_events(w->f), expected) ? NULL : expected;
	if (expected)
		fail_msg("row %zu: no \"%s\"", row, expected);
	world_free(w);
}

static void test_bad_answers(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(bad_answers); i++) {
		check_bad_answer(i, N_SENTINELS - 1, "a:10.0.0.1:6379");
		check_bad_answer(i, N_SENTINELS, bad_answers[i].why);
	}
}

static void test_all_silent(void **unused)
{
	struct world *w = world_new();
	uint64_t began_at_ms = loop_now_ms(w->f->loop);

	(void)unused;
	for (size_t i = 0; i < N_SENTINELS; i++)
		w->fakes[i].is_deaf = true;
	world_open(w);
	ask(w, 2);
	assert_non_null(strstr(fixture_events(w->f), "a:no Sentinel names the primary: 127.0.0.1"));
	/* Before connect_timeout, after which the cause would not be known. */
	assert_in_range(loop_now_ms(w->f->loop) - began_at_ms, 650, 799);
	world_free(w);
}

static void test_one_silent(void **unused)
{
	struct world *w = world_new();
	uint64_t began_at_ms = loop_now_ms(w->f->loop);

	(void)unused;
	w->fakes[0].is_deaf = true;
	world_open(w);
	ask(w, 1);
	assert_string_equal(fixture_events(w->f), "a:10.0.0.1:6379");
	assert_in_range(loop_now_ms(w->f->loop) - began_at_ms, 0, 400);
	world_free(w);
}

static void test_leaving_while_asking(void **unused)
{
	struct world *w = world_new();
	const char *events;

	(void)unused;
	world_open(w);
	for (size_t i = 0; i < N_USERS; i++)
		primary_ask(user(w, i));
	primary_let_go(user(w, 0));
	primary_let_go(user(w, 2));
	fixture_run(w->f, nobody_asks);
	events = fixture_events(w->f);
	assert_true(strstr(events, "b:10.0.0.1:6379") && strstr(events, "d:10.0.0.1:6379"));
	assert_false(strstr(events, "a:10") || strstr(events, "c:10"));
	primary_ask(user(w, 0));
	world_free(w);
}

static void test_own_credentials(void **unused)
{
	static char user_name[] = "asker", password[] = "pw", other[] = "of redis";
	struct world *w = world_new();
	const char *commands;

	(void)unused;
	w->f->settings.secret.password = other;
	w->f->settings.sentinel.secret.username = user_name;
	w->f->settings.sentinel.secret.password = password;
	w->f->settings.url.db = 7;
	world_open(w);
	ask(w, 1);
	fixture_run(w->f, all_are_subscribed);
	commands = fakeserver_commands(&w->fakes[0]);
	assert_non_null(
	    strstr(commands, "AUTH asker pw|CLIENT SETNAME sluiced.sentinel|CLIENT ID|PING|"));
	assert_false(strstr(commands, "of redis") || strstr(commands, "SELECT"));
	world_free(w);
}

/* ---- doubt ---- */

/* One Sentinel is behind: what it names has just failed. */
static void test_second_opinion(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	world_open(w);
	for (int i = 0; i < 20; i++) {
		name(w, 0, &A);
		name(w, 1, &A);
		name(w, 2, &A);
		ask(w, 1);
		primary_failed(user(w, 0));
		name(w, 2, &B);
		ask(w, 1);
		assert_true(endpoint_equals(&user(w, 0)->at, &B));
		primary_found(user(w, 0));
		primary_let_go(user(w, 0));
	}
	world_free(w);
}

static void test_no_second_opinion(void **unused)
{
	struct world *w = world_new();
	uint64_t began_at_ms;

	(void)unused;
	w->fakes[2].rules[0].reply = NULL;
	world_open(w);
	ask(w, 1);
	primary_failed(user(w, 0));
	began_at_ms = loop_now_ms(w->f->loop);
	ask(w, 1);
	assert_string_equal(fixture_events(w->f), "a:10.0.0.1:6379 a:10.0.0.1:6379");
	/* The silent one is waited for, but not for long. */
	assert_in_range(loop_now_ms(w->f->loop) - began_at_ms, 200, 500);
	world_free(w);
}

/* ---- another primary ---- */

/* a and b use A, c uses C, d is trying A. */
static void open_in_use(struct world *w)
{
	world_open(w);
	fixture_run(w->f, all_are_subscribed);
	all_name(w, &C);
	primary_ask(user(w, 2));
	fixture_run(w->f, nobody_asks);
	primary_found(user(w, 2));
	all_name(w, &A);
	for (size_t i = 0; i < N_USERS; i++) {
		if (i != 2)
			primary_ask(user(w, i));
	}
	fixture_run(w->f, nobody_asks);
	primary_found(user(w, 0));
	primary_found(user(w, 1));
	fixture_events(w->f);
}

static void publish(struct world *w, const char *text)
{
	char message[REPLY_SIZE];

	snprintf(message, sizeof(message),
	    "*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$%zu\r\n%s\r\n", strlen(text), text);
	fakeserver_publish(&w->fakes[1], message);
}

static void test_switch(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	open_in_use(w);
	publish(w, "m 10.0.0.1 6379 10.0.0.2 6379");
	fixture_run(w->f, somebody_moved);
	assert_string_equal(fixture_events(w->f), "a:moved b:moved d:moved");
	world_free(w);
}

/* a could not connect to B so far: now is the time. */
static void test_switch_wakes_who_was_too_early(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	world_open(w);
	fixture_run(w->f, all_are_subscribed);
	for (size_t i = 0; i < N_USERS; i++)
		user(w, i)->at = B;
	user(w, 0)->number = 1;
	user(w, 1)->state = PRIMARY_IN_USE;
	user(w, 2)->state = user(w, 3)->state = PRIMARY_TRYING;
	all_name(w, &B);
	publish(w, "m 10.0.0.1 6379 10.0.0.2 6379");
	fixture_run(w->f, somebody_moved);
	assert_string_equal(fixture_events(w->f), "a:moved");
	world_free(w);
}

static const char *const no_switches[] = {
	"n 10.0.0.1 6379 10.0.0.2 6379",
	"mm 10.0.0.1 6379 10.0.0.2 6379",
	" 10.0.0.1 6379 10.0.0.2 6379",
	"m 10.0.0.1 6379 10.0.0.2",
	"m 10.0.0.1 6379",
	"m 10.0.0.1 x 10.0.0.2 y",
	"m",
	"",
};

static void test_no_switch(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	open_in_use(w);
	for (size_t i = 0; i < ARRAY_LEN(no_switches); i++)
		publish(w, no_switches[i]);
	fakeserver_publish(&w->fakes[1], "+hello\r\n*1\r\n$7\r\nmessage\r\n");
	fakeserver_publish(&w->fakes[1],
	    "*3\r\n$7\r\nmessage\r\n$5\r\n+sdown\r\n$29\r\nm 10.0.0.1 6379 10.0.0.2 6379\r\n");
	fixture_run_ms(w->f, 100);
	assert_string_equal(fixture_events(w->f), "");
	assert_true(all_are_subscribed(w->f));
	world_free(w);
}

/* The message was missed. One Sentinel alone may be wrong; c's own server is no majority's. */
static void test_majority(void **unused)
{
	struct world *w = world_new();
	uint64_t began_at_ms;

	(void)unused;
	open_in_use(w);
	primary_let_go(user(w, 2));
	primary_ask(user(w, 2));
	fixture_run(w->f, nobody_asks);
	primary_found(user(w, 2));
	primary_found(user(w, 3));
	fixture_events(w->f);
	name(w, 0, &B);
	fixture_run_ms(w->f, 3300);
	assert_string_equal(fixture_events(w->f), "");
	name(w, 2, &B);
	began_at_ms = loop_now_ms(w->f->loop);
	fixture_run(w->f, somebody_moved);
	assert_non_null(strstr(fixture_events(w->f), "a:moved b:moved c:moved d:moved"));
	assert_in_range(loop_now_ms(w->f->loop) - began_at_ms, 1900, 4500);
	world_free(w);
}

static void test_denied(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	open_in_use(w);
	primary_denies(user(w, 0));
	assert_string_equal(fixture_events(w->f), "a:moved b:moved");
	world_free(w);
}

/* Who waits for its next try is told as soon as there is somewhere else to try, and not all the
 * time when the Sentinels contradict each other. */
static void test_waiting_ones_are_told(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	open_in_use(w);
	primary_found(user(w, 3));
	primary_failed(user(w, 0));
	fixture_run_ms(w->f, 1200);
	assert_string_equal(fixture_events(w->f), "");
	name(w, 2, &B);
	fixture_run(w->f, somebody_moved);
	assert_string_equal(fixture_events(w->f), "a:moved");
	name(w, 1, &C);
	fixture_run_ms(w->f, 1700);
	assert_in_range(strlen(fixture_events(w->f)) / strlen(" a:moved"), 1, 4);
	world_free(w);
}

static void test_change_is_logged(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	world_open(w);
	for (size_t i = 0; i < 2; i++) {
		all_name(w, i ? &B : &A);
		ask(w, 2);
		primary_found(user(w, 0));
		primary_found(user(w, 1));
		primary_let_go(user(w, 0));
		primary_let_go(user(w, 1));
	}
	assert_true(fixture_has_logged(w->f,
	    "the primary of \\\"m\\\" is 10.0.0.2:6379 now, no longer 10.0.0.1:6379"));
	assert_null(strstr(strstr(fixture_log(w->f), "no longer") + 1, "no longer"));
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_query_for_all),
		cmocka_unit_test(test_asked_before_they_are_connected),
		cmocka_unit_test(test_answers_are_newer_than_questions),
		cmocka_unit_test(test_bad_answers),
		cmocka_unit_test(test_all_silent),
		cmocka_unit_test(test_one_silent),
		cmocka_unit_test(test_leaving_while_asking),
		cmocka_unit_test(test_own_credentials),
		cmocka_unit_test(test_second_opinion),
		cmocka_unit_test(test_no_second_opinion),
		cmocka_unit_test(test_switch),
		cmocka_unit_test(test_switch_wakes_who_was_too_early),
		cmocka_unit_test(test_no_switch),
		cmocka_unit_test(test_majority),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_waiting_ones_are_told),
		cmocka_unit_test(test_change_is_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
