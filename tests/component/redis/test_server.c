/* SPDX-License-Identifier: MIT */
/* The shared command connection: who is told what and when, and how scripts are called. */
#include "redis/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "redis/command.h"

#define DIGEST "0123456789012345678901234567890123456789"

struct user {
	struct server_user user;
	struct fixture *f;
	struct server *server;
	const char *name;
	struct user *leaves_on_up;
};

static void on_up(struct server_user *u)
{
	struct user *user = container_of(u, struct user, user);

	fixture_note(user->f, "%s+", user->name);
	assert_true(server_is_up(user->server));
	if (user->leaves_on_up)
		server_leave(user->server, &user->leaves_on_up->user);
}

static void on_down(struct server_user *u)
{
	struct user *user = container_of(u, struct user, user);

	fixture_note(user->f, "%s-", user->name);
	assert_false(server_is_up(user->server));
}

struct parts {
	struct fixture *f;
	struct server *server;
	struct user a, b, c;
};

static struct parts parts;

static void join(struct user *u, const char *name)
{
	*u = (struct user){ { .on_up = on_up, .on_down = on_down }, parts.f, parts.server, name,
		NULL };
	server_join(parts.server, &u->user);
}

static int setup(void **state)
{
	(void)state;
	parts = (struct parts){ .f = fixture_new() };
	fakeserver_rule(&parts.f->server, "SCRIPT LOAD", "$40\r\n" DIGEST "\r\n");
	fakeserver_rule(&parts.f->server, "EVAL", "+done\r\n");
	parts.server = server_new(&parts.f->host, "sluiced.test");
	join(&parts.a, "a");
	join(&parts.b, "b");
	join(&parts.c, "c");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	server_free(parts.server);
	fixture_free(parts.f);
	return 0;
}

static bool is_quiet(struct fixture *f)
{
	(void)f;
	return server_is_up(parts.server) && server_n_pending(parts.server) == 0;
}

static bool is_down(struct fixture *f)
{
	(void)f;
	return !server_is_up(parts.server);
}

static void open_server(void)
{
	server_open(parts.server);
	fixture_run(parts.f, is_quiet);
}

static void test_users(void **unused)
{
	struct fixture *f = parts.f;

	(void)unused;
	assert_false(server_is_up(parts.server) || server_has_tried(parts.server));
	open_server();
	assert_true(server_has_tried(parts.server));
	assert_string_equal(fixture_events(f), "a+ b+ c+");
	server_leave(parts.server, &parts.b.user);
	server_leave(parts.server, &parts.b.user);
	fakeserver_hang_up(&f->server);
	fixture_run(f, is_down);
	assert_string_equal(fixture_events(f), "a- c-");
	assert_int_equal(server_n_losses(parts.server), 1);
	server_join(parts.server, &parts.b.user);
	fixture_run(f, is_quiet);
	assert_string_equal(fixture_events(f), "a+ c+ b+");
}

static void test_user_leaves_when_told(void **unused)
{
	(void)unused;
	parts.a.leaves_on_up = &parts.a;
	parts.c.leaves_on_up = &parts.c;
	open_server();
	assert_string_equal(fixture_events(parts.f), "a+ b+ c+");
	fakeserver_hang_up(&parts.f->server);
	fixture_run(parts.f, is_down);
	assert_string_equal(fixture_events(parts.f), "b-");
}

static void test_replies_before_down(void **unused)
{
	struct fixture *f = parts.f;

	(void)unused;
	open_server();
	fixture_events(f);
	for (intptr_t i = 1; i <= 3; i++) {
		command_words(server_out(parts.server), "PING", NULL);
		server_expect(parts.server, fixture_on_reply, f, (void *)i);
	}
	assert_int_equal(server_n_pending(parts.server), 3);
	server_drop(parts.server, "reasons");
	fixture_run(f, is_quiet);
	assert_string_equal(fixture_events(f), "1:NULL 2:NULL 3:NULL a- b- c- a+ b+ c+");
}

/* ---- scripts ---- */

static void call(enum script script, intptr_t number)
{
	struct buf *out = server_script(parts.server, script, 1, 2);

	command_text(out, "stream");
	command_text(out, "g");
	command_text(out, "me");
	server_expect(parts.server, fixture_on_reply, parts.f, (void *)number);
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The prelude defines what each script uses, so it has to come first. */
static void test_text_of_each_script(void **unused)
{
	static const char *const own[SCRIPT_COUNT] = {
		[SCRIPT_BEGIN] = "-- Starts the next run",
		[SCRIPT_CLAIM] = "-- Takes entries that have been idle",
		[SCRIPT_RENEW] = "-- Renews the leases",
		[SCRIPT_RELEASE] = "-- Gives entries back",
		[SCRIPT_BURY] = "-- Moves an entry",
		[SCRIPT_TRIM] = "-- Removes entries from the front",
		[SCRIPT_ACK] = "-- Acknowledges entries that are done",
		[SCRIPT_PROBE] = "-- Tells what the server can tell",
	};

	(void)unused;
	parts.f->server.rules[0].reply = "-NOPERM no\r\n";
	open_server();
	for (int i = 0; i < SCRIPT_COUNT; i++) {
		const char *text, *prelude_end;

		fakeserver_commands(&parts.f->server);
		call((enum script)i, i);
		fixture_run(parts.f, is_quiet);
		text = fakeserver_commands(&parts.f->server);
		assert_true(starts_with(text, "EVAL -- SPDX-License-Identifier: MIT\n"));
		prelude_end = strstr(text, "local function record(");
		assert_non_null(prelude_end);
		assert_non_null(strstr(prelude_end, own[i]));
		assert_non_null(strstr(prelude_end, " 1 stream g me|"));
	}
}

static int count(const char *text, const char *part)
{
	int n = 0;

	while ((text = strstr(text, part))) {
		text += strlen(part);
		n++;
	}
	return n;
}

static void test_by_text_until_loaded(void **unused)
{
	const char *seen;
	struct fixture *f = parts.f;

	(void)unused;
	open_server();
	fakeserver_commands(&f->server);
	call(SCRIPT_RENEW, 1);
	fixture_run(f, is_quiet);
	assert_string_equal(fakeserver_commands(&f->server), "EVALSHA " DIGEST " 1 stream g me|");

	/* Forgotten: by text, until the server has said that it has it again. */
	server_scripts_forgotten(parts.server);
	server_scripts_forgotten(parts.server);
	call(SCRIPT_RENEW, 2);
	fixture_run(f, is_quiet);
	seen = fakeserver_commands(&f->server);
	assert_int_equal(count(seen, "SCRIPT LOAD "), SCRIPT_COUNT);
	assert_non_null(strstr(seen, "|EVAL -- SPDX"));
	call(SCRIPT_RENEW, 3);
	fixture_run(f, is_quiet);
	assert_true(starts_with(fakeserver_commands(&f->server), "EVALSHA "));
}

static const char *const odd_digests[] = { "-NOPERM no\r\n", "-ERR unknown command\r\n", "$-1\r\n",
	"$3\r\nabc\r\n", "+OK\r\n", ":1\r\n", "*0\r\n", "$41\r\n" DIGEST "0\r\n" };

static void test_not_loaded(void **unused)
{
	(void)unused;
	open_server();
	for (size_t i = 0; i < ARRAY_LEN(odd_digests); i++) {
		parts.f->server.rules[0].reply = "$40\r\n" DIGEST "\r\n";
		fakeserver_hang_up(&parts.f->server);
		fixture_run(parts.f, is_down);
		fixture_run(parts.f, is_quiet);
		parts.f->server.rules[0].reply = odd_digests[i];
		server_scripts_forgotten(parts.server);
		fixture_run(parts.f, is_quiet);
		fakeserver_commands(&parts.f->server);
		call(SCRIPT_BURY, 1);
		fixture_run(parts.f, is_quiet);
		assert_true(starts_with(fakeserver_commands(&parts.f->server), "EVAL --"));
	}
}

/* Another server may be at the other end now. */
static void test_loaded_anew_after_reconnect(void **unused)
{
	struct fixture *f = parts.f;

	(void)unused;
	open_server();
	f->server.rules[0].reply = "-NOPERM no\r\n";
	fakeserver_hang_up(&f->server);
	fixture_run(f, is_down);
	server_scripts_forgotten(parts.server);
	fixture_run(f, is_quiet);
	fakeserver_commands(&f->server);
	call(SCRIPT_BEGIN, 1);
	fixture_run(f, is_quiet);
	assert_true(starts_with(fakeserver_commands(&f->server), "EVAL --"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_users),
		TEST(test_user_leaves_when_told),
		TEST(test_replies_before_down),
		TEST(test_text_of_each_script),
		TEST(test_by_text_until_loaded),
		TEST(test_not_loaded),
		TEST(test_loaded_anew_after_reconnect),
	};

	server_free(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
