/* SPDX-License-Identifier: MIT */
/* Rules between options, between consumers, and with the world outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "load_text.h"

#define SH "handler: {command: [/bin/sh]}"

static void check(const char *text, const char *want)
{
	char *messages;
	struct config *config = load_bytes(slice_of(text), NULL, &messages);

	assert_string_equal(messages, want);
	assert_int_equal(config == NULL, *want && !strstr(want, "warning"));
	free(messages);
	config_free(config);
}

static void test_lease_and_block(void **state)
{
	(void)state;
	check("consumers:\n  a: {stream: s, group: g, claim: {min_idle: 6s}, " SH "}\n", "");
	check("consumers:\n  a: {stream: s, group: g, claim: {min_idle: 5999ms}, " SH "}\n",
	    "f.yaml:2:46: warning: consumers.a.claim.min_idle: should be at least three times "
	    "read.block: a reader that is lost may hold entries for that long\n");
	check("defaults: {read: {block: 30s}}\nconsumers:\n  a: {stream: s, group: g, " SH "}\n",
	    "f.yaml:3:3: warning: consumers.a.claim.min_idle: should be at least three times "
	    "read.block: a reader that is lost may hold entries for that long\n");
}

static void test_window_needs_worker_mode(void **state)
{
	(void)state;
	check("consumers:\n  a: {stream: s, group: g, handler: {command: [/bin/sh], window: 2}}\n",
	    "f.yaml:2:66: consumers.a.handler.window: a window over 1 needs handler.mode: "
	    "worker\n");
	check("consumers:\n  a: {stream: s, group: g, handler: {command: [/bin/sh], window: 1}}\n",
	    "");
	check("defaults: {handler: {window: 8}}\nconsumers:\n"
	      "  a: {stream: s, group: g, handler: {mode: worker, command: [/bin/sh]}}\n",
	    "");
}

static void test_one_way_to_trim(void **state)
{
	(void)state;
	check("consumers:\n  a: {stream: s, group: g, trim: {maxlen: 9, acknowledged: false}, " SH
	      "}\n",
	    "");
	check("consumers:\n  a: {stream: s, group: g, trim: {maxlen: 9, max_age: 1h}, " SH "}\n",
	    "f.yaml:2:55: consumers.a.trim.max_age: expected at most one of maxlen, max_age and "
	    "acknowledged, got maxlen as well\n");
	check("defaults: {trim: {max_age: 1h}}\nconsumers:\n"
	      "  a: {stream: s, group: g, trim: {acknowledged: true}, " SH "}\n",
	    "f.yaml:3:49: consumers.a.trim.acknowledged: expected at most one of maxlen, max_age "
	    "and "
	    "acknowledged, got max_age as well\n");
	check("consumers:\n  a: {stream: s, group: g, trim: {maxlen: 9, interval: 999ms}, " SH
	      "}\n",
	    "f.yaml:2:56: consumers.a.trim.interval: expected a duration from 1s to 1d, got "
	    "\"999ms\"\n");
}

static void test_keys_of_the_other_mode(void **state)
{
	(void)state;
	check("consumers:\n  a:\n    stream: s\n    group: g\n    handler:\n"
	      "      command: [/bin/sh]\n      ready: true\n      parallel: true\n"
	      "      start_timeout: 3s\n      stdin: none\n",
	    "f.yaml:7:7: warning: consumers.a.handler.ready: has no effect in exec mode\n"
	    "f.yaml:8:7: warning: consumers.a.handler.parallel: has no effect in exec mode\n"
	    "f.yaml:9:7: warning: consumers.a.handler.start_timeout: has no effect in exec mode\n");
	check("consumers:\n  a:\n    stream: s\n    group: g\n    handler:\n"
	      "      command: [/bin/sh]\n      mode: worker\n      ready: true\n"
	      "      stdin: none\n      environment_fields: [x]\n",
	    "f.yaml:9:7: warning: consumers.a.handler.stdin: has no effect in worker mode\n"
	    "f.yaml:10:7: warning: consumers.a.handler.environment_fields: has no effect in worker "
	    "mode\n");
	check("defaults: {handler: {stdin: none, ready: true, environment_fields: [x]}}\n" CONSUMER,
	    "");
	check("consumers:\n  a:\n    stream: s\n    group: g\n    handler:\n"
	      "      command: [/bin/sh]\n      ready: false\n",
	    "");
}

static void test_dead_letter_loop(void **state)
{
	(void)state;
	check("consumers:\n  a: {stream: s, group: g, dead_letter: {stream: s}, " SH "}\n",
	    "f.yaml:2:50: consumers.a.dead_letter.stream: expected a stream that the group does "
	    "not "
	    "read, got \"s\"\n");
	check("consumers:\n  a: {stream: s, group: g, dead_letter: {stream: t}, " SH "}\n"
	      "  b: {stream: t, group: g, " SH "}\n",
	    "f.yaml:2:50: consumers.a.dead_letter.stream: expected a stream that the group does "
	    "not "
	    "read, got \"t\"\n");
	check("consumers:\n  a: {streams: [s, 's:dead'], group: g, " SH "}\n",
	    "f.yaml:2:3: consumers.a.dead_letter.stream: expected a stream that the group does not "
	    "read, got \"s:dead\"\n");
	check("consumers:\n  a: {stream: s, group: g, " SH "}\n"
	      "  b: {stream: 's:dead', group: other, " SH "}\n",
	    "");
	check("consumers:\n  a: {stream: s, group: g, dead_letter: {stream: off}, " SH "}\n"
	      "  b: {stream: 's:dead', group: g, " SH "}\n",
	    "");
}

static void test_same_stream_group_and_name(void **state)
{
	(void)state;
	check("consumers:\n  a: {stream: s, group: g, consumer: x, " SH "}\n"
	      "  b: {streams: [r, s], group: g, consumer: x, " SH "}\n",
	    "f.yaml:3:16: consumers.b.streams: \"s\" is read by consumers.a with the same group "
	    "and "
	    "consumer name\n");
	check("consumers:\n  a: {stream: s, group: g, " SH "}\n  b: {stream: s, group: g, " SH
	      "}\n",
	    "");
	check("consumers:\n  a: {stream: s, group: g, consumer: x, " SH "}\n"
	      "  b: {stream: s, group: h, consumer: x, " SH "}\n",
	    "");
	check("consumers:\n  a: {streams: [a1, 'a{1..2}'], group: g, " SH "}\n",
	    "f.yaml:2:16: consumers.a.streams: \"a1\" is there twice\n");
}

static void test_descriptors(void **state)
{
	struct rlimit limit, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	check("consumers:\n  a: {streams: ['s{1..3}'], group: g, handler: {command: [/bin/sh], "
	      "concurrency: 15}}\n",
	    "");
	check("consumers:\n  a: {streams: ['s{1..4}'], group: g, handler: {command: [/bin/sh], "
	      "concurrency: 15}}\n",
	    "f.yaml: warning: needs 65 file descriptors (four for each process, one for each "
	    "connection) and may have 64 (LimitNOFILE=, ulimit -n)\n");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* They would guess. */
static void test_no_warnings_beside_errors(void **state)
{
	(void)state;
	check("consumers:\n  a: {stream: s, group: g, claim: {min_idle: 0s}, " SH "}\n",
	    "f.yaml:2:46: consumers.a.claim.min_idle: expected a duration from 1s to 7d, got "
	    "\"0s\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lease_and_block),
		cmocka_unit_test(test_window_needs_worker_mode),
		cmocka_unit_test(test_one_way_to_trim),
		cmocka_unit_test(test_keys_of_the_other_mode),
		cmocka_unit_test(test_dead_letter_loop),
		cmocka_unit_test(test_same_stream_group_and_name),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_no_warnings_beside_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
