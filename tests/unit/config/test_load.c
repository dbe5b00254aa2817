/* SPDX-License-Identifier: MIT */
/* How the parts of a file come together: sections, defaults, merging, worked-out values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "core/verdict.h"
#include "load_text.h"

static void assert_list(const struct string_list *list, const char *want)
{
	struct buf got = { 0 };

	for (size_t i = 0; i < list->len; i++)
		buf_printf(&got, "%s%s", i ? " " : "", list->items[i]);
	buf_append_char(&got, '\0');
	assert_string_equal(buf_data(&got), want);
	buf_done(&got);
}

/* The whole of what is required, and every default. */
static void test_daemon_defaults(void **state)
{
	struct config *c = load_good(CONSUMER);

	(void)state;
	assert_string_equal(c->redis.url.host, "127.0.0.1");
	assert_int_equal(c->redis.url.port, 6379);
	assert_int_equal(c->redis.url.db, 0);
	assert_null(c->redis.secret.username);
	assert_int_equal(c->redis.connect_timeout_ms, 5000);
	assert_int_equal(c->redis.reconnect_initial_ms, 100);
	assert_int_equal(c->redis.reconnect_max_ms, 10000);
	assert_int_equal(c->redis.keepalive_ms, 15000);
	assert_true(c->redis.tls.verify);
	assert_false(c->redis.cluster);
	assert_string_equal(c->daemon.instance, "default");
	assert_int_equal(c->daemon.drain_timeout_ms, 30000);
	assert_int_equal(c->daemon.max_in_flight_bytes, 256 * 1024 * 1024);
	assert_int_equal(c->n_consumers, 1);
	config_free(c);
}

static void test_consumer_defaults(void **state)
{
	struct config *c = load_good("consumers:\n  mailer:\n    stream: orders\n    group: "
	                             "notifications\n    handler:\n      command: [/bin/sh]\n");
	const struct consumer_settings *s = &c->consumers[0];
	char host[256] = "", name[300];

	(void)state;
	assert_string_equal(s->name, "mailer");
	assert_list(&s->streams, "orders");
	assert_string_equal(s->group, "notifications");
	gethostname(host, sizeof(host) - 1);
	snprintf(name, sizeof(name), "%s.default.mailer", host);
	assert_string_equal(s->consumer, name);
	assert_int_equal(s->start.kind, START_BEGINNING);
	assert_int_equal(s->on_missing_group, MISSING_GROUP_CREATE);
	assert_int_equal(s->read.count, 100);
	assert_int_equal(s->read.block_ms, 2000);
	assert_int_equal(s->read.max_held, 10000);
	assert_int_equal(s->max_entry_bytes, 16 * 1024 * 1024);
	assert_string_equal(s->handler.program, "/bin/sh");
	assert_int_equal(s->handler.mode, HANDLER_EXEC);
	assert_int_equal(s->handler.concurrency, 1);
	assert_int_equal(s->handler.window, 1);
	assert_false(s->handler.parallel);
	assert_int_equal(s->handler.verdicts, VERDICTS_FD3);
	assert_int_equal(s->handler.stdin_from.kind, STDIN_JSON);
	assert_int_equal(s->handler.timeout_ms, 30000);
	assert_int_equal(s->handler.kill_grace_ms, 5000);
	assert_int_equal(s->handler.start_timeout_ms, 10000);
	assert_false(s->handler.ready);
	assert_string_equal(s->handler.working_directory, "/");
	assert_int_equal(s->handler.environment.len, 0);
	assert_int_equal(s->handler.environment_fields.len, 0);
	assert_int_equal(s->handler.exit_codes.meaning[65], EXIT_MEANS_DEAD);
	assert_int_equal(s->retry.max_attempts, 8);
	assert_int_equal(s->retry.initial_delay_ms, 1000);
	assert_int_equal(s->retry.max_delay_ms, 300000);
	assert_int_equal((int)(s->retry.multiplier * 10), 30);
	assert_true(s->retry.jitter);
	assert_int_equal(s->claim.min_idle_ms, 60000);
	assert_int_equal(s->claim.interval_ms, 15000);
	assert_int_equal(s->claim.count, 100);
	assert_false(s->dead_letter.off);
	assert_string_equal(s->dead_letter.stream, "orders:dead");
	assert_int_equal(s->dead_letter.maxlen, 0);
	assert_int_equal(s->breaker.failures, 5);
	assert_int_equal(s->breaker.streak, 20);
	assert_int_equal(s->breaker.cooldown_ms, 5000);
	config_free(c);
}

static void test_consumer_wins_over_defaults(void **state)
{
	struct config *c = load_good("defaults:\n"
	                             "  streams: [d1, d2]\n"
	                             "  group: dg\n"
	                             "  retry: {max_attempts: 5, jitter: false}\n"
	                             "  claim: {min_idle: 20s}\n"
	                             "  handler:\n"
	                             "    command: [/bin/cat, x]\n"
	                             "    environment: {A: a, B: b}\n"
	                             "    environment_fields: [x, y]\n"
	                             "    exit_codes: {3: dead, 4: drop}\n"
	                             "consumers:\n"
	                             "  all:\n"
	                             "    consumer: all\n"
	                             "  own:\n"
	                             "    stream: s\n"
	                             "    retry: {max_attempts: 6}\n"
	                             "    handler:\n"
	                             "      command: [/bin/sh]\n"
	                             "      environment: {B: c, D: d}\n"
	                             "      environment_fields: [z]\n"
	                             "      exit_codes: {4: ok, 75: broken}\n");
	const struct consumer_settings *all = &c->consumers[0], *own = &c->consumers[1];

	(void)state;
	assert_list(&all->streams, "d1 d2");
	assert_null(all->dead_letter.stream);
	assert_list(&all->handler.command, "/bin/cat x");
	assert_int_equal(all->handler.environment.len, 2);
	assert_list(&own->streams, "s");
	assert_string_equal(own->group, "dg");
	assert_int_equal(own->retry.max_attempts, 6);
	assert_false(own->retry.jitter);
	assert_int_equal(own->claim.interval_ms, 5000);
	assert_list(&own->handler.command, "/bin/sh");
	assert_list(&(struct string_list){ own->handler.environment.names, 3 }, "A B D");
	assert_list(&(struct string_list){ own->handler.environment.values, 3 }, "a c d");
	assert_list(&own->handler.environment_fields, "z");
	assert_int_equal(own->handler.exit_codes.meaning[3], EXIT_MEANS_DEAD);
	assert_int_equal(own->handler.exit_codes.meaning[4], EXIT_MEANS_OK);
	assert_int_equal(own->handler.exit_codes.meaning[65], EXIT_MEANS_DEAD);
	assert_int_equal(own->handler.exit_codes.meaning[75], EXIT_MEANS_BROKEN);
	config_free(c);
}

static void test_anchors_and_merge_keys(void **state)
{
	struct config *c =
	    load_good("x-slow: &slow {timeout: 10m, kill_grace: 1m}\n"
	              "consumers:\n"
	              "  a: &a\n"
	              "    stream: s\n"
	              "    group: g\n"
	              "    x-note: ignored\n"
	              "    handler: {<<: *slow, kill_grace: 2s, command: [/bin/sh]}\n"
	              "  b:\n"
	              "    <<: *a\n"
	              "    stream: t\n");

	(void)state;
	assert_int_equal(c->consumers[0].handler.timeout_ms, 600000);
	assert_int_equal(c->consumers[0].handler.kill_grace_ms, 2000);
	assert_list(&c->consumers[1].streams, "t");
	assert_string_equal(c->consumers[1].group, "g");
	assert_int_equal(c->consumers[1].handler.timeout_ms, 600000);
	config_free(c);
}

static void test_stream_ranges(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "events:{0..3}", "events:0 events:1 events:2 events:3" },
		{ "e{3..1}", "e3 e2 e1" },
		{ "e{7..7}x", "e7x" },
		{ "e{08..10}", "e08 e09 e10" },
		{ "e{8..010}", "e008 e009 e010" },
		{ "e{-1..1}", "e-1 e0 e1" },
		{ "e{-01..1}", "e-01 e000 e001" },
		{ "'{events}:{0..1}'", "{events}:0 {events}:1" },
		{ "a{0..1}b{2..3}", "a0b2 a0b3 a1b2 a1b3" },
		{ "[x, 'y{1..2}', 'z']", "x y1 y2 z" },
		{ "e{a..c}", "e{a..c}" },
		{ "e{0...3}", "e{0...3}" },
		{ "e{0..4..2}", "e{0..4..2}" },
		{ "e{0.3}", "e{0.3}" },
		{ "e{}{1,2}{", "e{}{1,2}{" },
		{ "007", "007" },
		{ "no", "no" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf text = { 0 };
		struct config *c;

		buf_printf(&text,
		    "consumers:\n  a:\n    streams: %s\n    group: g\n    handler: {command: "
		    "[/bin/sh]}\n",
		    rows[i].text);
		buf_append_char(&text, '\0');
		c = load_good(buf_data(&text));
		assert_list(&c->consumers[0].streams, rows[i].want);
		config_free(c);
		buf_done(&text);
	}
}

static void test_consumer_template(void **state)
{
	char *messages, host[256] = "", want[300];
	struct config *c = load_bytes(
	    slice_of("daemon: {instance: other}\n"
	             "consumers:\n"
	             "  mailer: {stream: s, group: g, consumer: '%%%i/%n@%H', handler: {command: "
	             "[/bin/sh]}}\n"),
	    "web-1", &messages);

	(void)state;
	assert_string_equal(messages, "");
	gethostname(host, sizeof(host) - 1);
	snprintf(want, sizeof(want), "%%web-1/mailer@%s", host);
	assert_string_equal(c->consumers[0].consumer, want);
	assert_string_equal(c->daemon.instance, "web-1");
	free(messages);
	config_free(c);
}

static void test_values_of_their_own_form(void **state)
{
	struct config *c = load_good(
	    "redis: {url: \"unix:///run/r.sock?db=4\", username: 007}\n"
	    "consumers:\n"
	    "  a: {stream: s, group: 007, start: end, handler: {command: [sh], stdin: field x y}}\n"
	    "  b: {stream: t, group: g, start: 17, dead_letter: {stream: off}, handler: {command: "
	    "[sh], stdin: none}}\n"
	    "  c: {stream: u, group: g, start: 17-4, dead_letter: {stream: 'off', maxlen: 9}, "
	    "handler: {command: [sh]}}\n");

	(void)state;
	assert_string_equal(c->redis.url.socket_path, "/run/r.sock");
	assert_string_equal(c->redis.secret.username, "007");
	assert_string_equal(c->consumers[0].group, "007");
	assert_int_equal(c->consumers[0].start.kind, START_END);
	assert_int_equal(c->consumers[0].handler.stdin_from.kind, STDIN_FIELD);
	assert_string_equal(c->consumers[0].handler.stdin_from.field, "x y");
	assert_int_equal(c->consumers[0].handler.program[0], '/');
	assert_int_equal(access(c->consumers[0].handler.program, X_OK), 0);
	assert_int_equal(c->consumers[1].handler.stdin_from.kind, STDIN_NONE);
	assert_int_equal(c->consumers[1].start.kind, START_AT_ID);
	assert_int_equal(c->consumers[1].start.id.ms, 17);
	assert_int_equal(c->consumers[1].start.id.seq, 0);
	assert_true(c->consumers[1].dead_letter.off);
	assert_int_equal(c->consumers[2].start.id.seq, 4);
	assert_false(c->consumers[2].dead_letter.off);
	assert_string_equal(c->consumers[2].dead_letter.stream, "off");
	assert_int_equal(c->consumers[2].dead_letter.maxlen, 9);
	config_free(c);
}

static void test_user_and_password_of_the_url(void **state)
{
	char *messages;
	struct config *c =
	    load_bytes(slice_of("redis: {url: \"redis://b%6Fb:p%40w@h\"}\n" CONSUMER), NULL,
	        &messages);

	(void)state;
	assert_string_equal(c->redis.secret.username, "bob");
	assert_string_equal(c->redis.secret.password, "p@w");
	assert_null(c->redis.url.user);
	assert_null(c->redis.url.password);
	assert_null(strstr(messages, "p@w"));
	free(messages);
	config_free(c);
}

static void test_paths_start_at_the_file(void **state)
{
	struct config *c = load_good(
	    "daemon: {runtime_dir: run, listen: [\"unix:a.sock?mode=0600\", \"unix:/b\"]}\n"
	    "defaults: {handler: {working_directory: jobs}}\n" CONSUMER);

	(void)state;
	assert_string_equal(c->daemon.runtime_dir, "/etc/run");
	assert_list(&c->daemon.listen, "unix:/etc/a.sock?mode=0600 unix:/b");
	assert_string_equal(c->consumers[0].handler.working_directory, "/etc/jobs");
	config_free(c);
}

static void check_messages(const char *text, const char *instance, const char *want)
{
	char *messages;
	struct config *config = load_bytes(slice_of(text), instance, &messages);

	assert_string_equal(messages, want);
	free(messages);
	config_free(config);
}

static void test_structure(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "f.yaml:1:1: the file holds no configuration\n" },
		{ "[]", "f.yaml:1:1: expected a mapping with redis, daemon, defaults and "
		        "consumers, got a "
		        "list\n" },
		{ "hello", "f.yaml:1:1: expected a mapping with redis, daemon, defaults and "
		           "consumers, got "
		           "text\n" },
		{ "redis: {}", "f.yaml:1:1: consumers: expected at least one, got none\n" },
		{ "consumers: {}", "f.yaml:1:12: consumers: expected at least one, got none\n" },
		{ "consumers:\n", "f.yaml:1:11: consumers: expected a mapping of names to "
		                  "consumers, got nothing\n" },
		{ "consumers: [a]", "f.yaml:1:12: consumers: expected a mapping of names to "
		                    "consumers, got a list\n" },
		{ "consumers: {x-a: {}}",
		    "f.yaml:1:12: consumers: expected at least one, got none\n"
		    "f.yaml:1:13: warning: consumers: \"x-a\" is no consumer: keys that begin with "
		    "x- are "
		    "ignored\n" },
		{ "consumers: {a: }",
		    "f.yaml:1:16: consumers.a: expected a mapping, got nothing\n" },
		{ "consumers: {a: {}}",
		    "f.yaml:1:13: consumers.a: expected the key \"group\", got none\n"
		    "f.yaml:1:13: consumers.a: expected the key \"handler.command\", got none\n"
		    "f.yaml:1:13: consumers.a: expected the key \"stream\" or \"streams\", got "
		    "none\n" },
		{ "redis: 5\ndaemon: [x]\ndefaults: ~\nx-y: 1\n" CONSUMER,
		    "f.yaml:1:8: redis: expected a mapping, got \"5\"\n"
		    "f.yaml:2:9: daemon: expected a mapping, got a list\n"
		    "f.yaml:3:11: defaults: expected a mapping, got \"~\"\n" },
		{ "consumers: {'a b': {stream: s, group: g, handler: {command: [/bin/sh]}}}",
		    "f.yaml:1:13: consumers: expected a name of letters, digits and _.-, got \"a "
		    "b\"\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_messages(rows[i].text, NULL, rows[i].want);
}

static void test_unknown_keys(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "defaults: {retry: {max_atempts: 3}}\n" CONSUMER,
		    "f.yaml:1:20: defaults.retry: unknown key \"max_atempts\" (did you mean "
		    "\"max_attempts\"?)\n" },
		{ "consumer:\n" CONSUMER,
		    "f.yaml:1:1: unknown key \"consumer\" (did you mean \"consumers\"?)\n" },
		{ "logging: {}\n" CONSUMER,
		    "f.yaml:1:1: unknown key \"logging\" (known here: redis, daemon, defaults, "
		    "consumers)\n" },
		{ "defaults: {timeout: 3s}\n" CONSUMER,
		    "f.yaml:1:12: defaults: unknown key \"timeout\" (did you mean "
		    "\"handler.timeout\"?)\n" },
		{ "defaults: {read: {qqq: 3s}}\n" CONSUMER,
		    "f.yaml:1:19: defaults.read: unknown key \"qqq\" (known here: count, block, "
		    "max_held)\n" },
		{ "defaults: {retry.max_delay: 3s}\n" CONSUMER,
		    "f.yaml:1:12: defaults: unknown key \"retry.max_delay\" (known here: stream, "
		    "streams, "
		    "group, consumer, start, on_missing_group, read, max_entry_bytes, handler, "
		    "retry, "
		    "claim, dead_letter, once, breaker, alerts, trim)\n" },
		{ "redis: {tls: {x-note: 1, cafile: x}}\n" CONSUMER,
		    "f.yaml:1:26: redis.tls: unknown key \"cafile\" (did you mean "
		    "\"ca_file\"?)\n" },
		{ "daemon: {Instance: x}\n" CONSUMER,
		    "f.yaml:1:10: daemon: unknown key \"Instance\" (did you mean "
		    "\"instance\"?)\n" },
		{ "daemon: {'': x}\n" CONSUMER, "f.yaml:1:10: daemon: unknown key \"\" (known "
		                                "here: instance, runtime_dir, listen, "
		                                "drain_timeout, log, max_in_flight_bytes)\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check_messages(rows[i].text, NULL, rows[i].want);
}

/* Those of `defaults` once, however many consumers take them. */
static void test_all_errors_in_order(void **state)
{
	(void)state;
	check_messages("consumers:\n"
	               "  b: {stream: s, group: g, group: h, read: {count: 0}}\n"
	               "  a: {group: [], grop: x}\n"
	               "defaults:\n"
	               "  handler: {command: [/nowhere], timeout: soon}\n"
	               "x: !bad 1\n",
	    NULL,
	    "f.yaml:2:28: consumers.b: duplicate key \"group\" (first on line 2)\n"
	    "f.yaml:2:52: consumers.b.read.count: expected a whole number from 1 to 10000, got "
	    "\"0\"\n"
	    "f.yaml:3:3: consumers.a: expected the key \"stream\" or \"streams\", got none\n"
	    "f.yaml:3:14: consumers.a.group: expected text, got an empty list\n"
	    "f.yaml:3:18: consumers.a: unknown key \"grop\" (did you mean \"group\"?)\n"
	    "f.yaml:5:23: defaults.handler.command: expected a file that can be executed, got "
	    "\"/nowhere\"\n"
	    "f.yaml:5:43: defaults.handler.timeout: expected a duration such as \"500ms\" or "
	    "\"5m\", "
	    "got \"soon\"\n"
	    "f.yaml:6:1: unknown key \"x\" (known here: redis, daemon, defaults, consumers)\n"
	    "f.yaml:6:4: x: unknown tag \"!bad\"\n");
}

static void test_bad_instance(void **state)
{
	(void)state;
	check_messages(CONSUMER, "a/b",
	    "f.yaml: --instance: expected one word of letters, digits and _.-, got \"a/b\"\n");
}

/* `defaults` repeats what it holds for each consumer. */
static void test_repeated_items_are_bounded(void **state)
{
	struct buf text = { 0 };
	char *messages;

	(void)state;
	buf_append_text(&text, "defaults: {group: g, stream: \"s{1..20000}\", handler: {command: "
	                       "[/bin/sh]}}\nconsumers:\n");
	for (unsigned i = 0; i < 10; i++)
		buf_printf(&text, "  c%u: {}\n", i);
	assert_null(load_bytes(buf_slice(&text), NULL, &messages));
	assert_string_equal(messages,
	    "f.yaml:1:30: consumers.c3.stream: more than 100000 items in all lists and mappings "
	    "together\n");
	free(messages);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_daemon_defaults),
		cmocka_unit_test(test_consumer_defaults),
		cmocka_unit_test(test_consumer_wins_over_defaults),
		cmocka_unit_test(test_anchors_and_merge_keys),
		cmocka_unit_test(test_stream_ranges),
		cmocka_unit_test(test_consumer_template),
		cmocka_unit_test(test_values_of_their_own_form),
		cmocka_unit_test(test_user_and_password_of_the_url),
		cmocka_unit_test(test_paths_start_at_the_file),
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_all_errors_in_order),
		cmocka_unit_test(test_bad_instance),
		cmocka_unit_test(test_repeated_items_are_bounded),
	};

	unsetenv("RUNTIME_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
