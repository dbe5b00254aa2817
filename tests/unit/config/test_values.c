/* SPDX-License-Identifier: MIT */
/* What every kind of value accepts and refuses, with the exact message and place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "load_text.h"

/* One line put into the file below the four of the base; so it is line 5, or 2 for the others. */
#define BASE    "consumers:\n  mailer:\n    stream: orders\n    group: g\n"
#define HANDLER "    handler: {command: [/bin/sh]}\n"

static void check_messages(const char *text, const char *want)
{
	char *messages;
	struct config *config = load_bytes(slice_of(text), NULL, &messages);

	assert_string_equal(messages, want);
	free(messages);
	config_free(config);
}

struct row {
	const char *lines;
	const char *message; /* "" where the value is accepted */
};

static void check_rows(const char *before, const struct row *rows, size_t n, const char *after)
{
	for (size_t i = 0; i < n; i++) {
		struct buf text = { 0 };

		buf_printf(&text, "%s%s%s", before, rows[i].lines, after);
		buf_append_char(&text, '\0');
		check_messages(buf_data(&text), rows[i].message);
		buf_done(&text);
	}
}

static const struct row consumer_values[] = {
	{ "    retry: {max_delay: 5 parsecs}\n",
	    "f.yaml:5:24: consumers.mailer.retry.max_delay: expected a duration such as "
	    "\"500ms\" or \"5m\", got \"5 parsecs\"\n" },
	{ "    retry: {max_delay: 5}\n",
	    "f.yaml:5:24: consumers.mailer.retry.max_delay: expected a duration such as "
	    "\"500ms\" or \"5m\", got \"5\"\n" },
	{ "    retry: {max_delay: '5m'}\n", "" },
	{ "    retry: {max_delay: 31d}\n",
	    "f.yaml:5:24: consumers.mailer.retry.max_delay: expected a duration from 0s to "
	    "30d, got \"31d\"\n" },
	{ "    retry: {max_delay: 99999999999999999999s}\n",
	    "f.yaml:5:24: consumers.mailer.retry.max_delay: expected a duration from 0s to "
	    "30d, got \"99999999999999999999s\"\n" },
	{ "    retry: {max_delay: [5m]}\n",
	    "f.yaml:5:24: consumers.mailer.retry.max_delay: expected a duration such as "
	    "\"500ms\" or \"5m\", got a list\n" },
	{ "    retry: {max_delay: {a: b}}\n",
	    "f.yaml:5:24: consumers.mailer.retry.max_delay: expected a duration such as "
	    "\"500ms\" or \"5m\", got a mapping\n" },
	{ "    retry:\n      max_delay:\n",
	    "f.yaml:6:17: consumers.mailer.retry.max_delay: expected a duration such as "
	    "\"500ms\" or \"5m\", got nothing\n" },
	{ "    retry: 5\n",
	    "f.yaml:5:12: consumers.mailer.retry: expected a mapping, got \"5\"\n" },
	{ "    read: {count: 1}\n", "" },
	{ "    read: {count: 10000}\n", "" },
	{ "    read: {count: 0}\n",
	    "f.yaml:5:19: consumers.mailer.read.count: expected a whole number from 1 to "
	    "10000, got \"0\"\n" },
	{ "    read: {count: 10001}\n",
	    "f.yaml:5:19: consumers.mailer.read.count: expected a whole number from 1 to "
	    "10000, got \"10001\"\n" },
	{ "    read: {count: 010}\n",
	    "f.yaml:5:19: consumers.mailer.read.count: expected a whole number from 1 to "
	    "10000, got \"010\"\n" },
	{ "    read: {count: 0x10}\n",
	    "f.yaml:5:19: consumers.mailer.read.count: expected a whole number from 1 to "
	    "10000, got \"0x10\"\n" },
	{ "    read: {count: '10'}\n", "f.yaml:5:19: consumers.mailer.read.count: expected "
	                               "a whole number, got a string in "
	                               "quotes\n" },
	{ "    read: {count: !!int '10'}\n", "" },
	{ "    read: {block: 100ms}\n", "" },
	{ "    read: {block: 99ms}\n", "f.yaml:5:19: consumers.mailer.read.block: expected "
	                               "a duration from 100ms to 1m, "
	                               "got \"99ms\"\n" },
	{ "    read: {max_held: 10000001}\n",
	    "f.yaml:5:22: consumers.mailer.read.max_held: expected a whole number from 1 "
	    "to "
	    "10000000, got \"10000001\"\n" },
	{ "    max_entry_bytes: 1024\n", "" },
	{ "    max_entry_bytes: 16 MB\n", "f.yaml:5:22: consumers.mailer.max_entry_bytes: "
	                                  "expected a size such as \"65536\" or "
	                                  "\"16MiB\", got \"16 MB\"\n" },
	{ "    max_entry_bytes: 1GiB\n", "f.yaml:5:22: consumers.mailer.max_entry_bytes: "
	                                 "expected a size from 1 to 512MiB, "
	                                 "got \"1GiB\"\n" },
	{ "    retry: {jitter: yes}\n", "f.yaml:5:21: consumers.mailer.retry.jitter: "
	                                "expected true or false, got \"yes\"\n" },
	{ "    retry: {jitter: 'true'}\n", "f.yaml:5:21: consumers.mailer.retry.jitter: "
	                                   "expected true or false, got a string "
	                                   "in quotes\n" },
	{ "    retry: {multiplier: 1.5}\n", "" },
	{ "    retry: {multiplier: 0.5}\n",
	    "f.yaml:5:25: consumers.mailer.retry.multiplier: expected a number from 1 to "
	    "1000, "
	    "got \"0.5\"\n" },
	{ "    on_missing_group: panic\n",
	    "f.yaml:5:23: consumers.mailer.on_missing_group: expected create, wait or "
	    "fail, got "
	    "\"panic\"\n" },
	{ "    start: end\n", "" },
	{ "    start: 17\n", "" },
	{ "    start: 17-4\n", "" },
	{ "    start: $\n", "f.yaml:5:12: consumers.mailer.start: expected beginning, end "
	                    "or the id of an entry, "
	                    "got \"$\"\n" },
	{ "    consumer: \"%H-%i-%n-100%%\"\n", "" },
	{ "    consumer: \"a%x\"\n", "f.yaml:5:15: consumers.mailer.consumer: expected a "
	                             "name with only %H, %i, %n and "
	                             "%% after a %, got \"a%x\"\n" },
	{ "    consumer: a%\n", "f.yaml:5:15: consumers.mailer.consumer: expected a name "
	                        "with only %H, %i, %n and "
	                        "%% after a %, got \"a%\"\n" },
	{ "    dead_letter: {maxlen: 0}\n",
	    "f.yaml:5:27: consumers.mailer.dead_letter.maxlen: expected a whole number "
	    "from 1 to "
	    "1000000000000, got \"0\"\n" },
	{ "    dead_letter: {stream: off}\n", "" },
	{ "    dead_letter: {stream: \"\"}\n",
	    "f.yaml:5:27: consumers.mailer.dead_letter.stream: expected the name of a "
	    "stream, "
	    "or off, got \"\"\n" },
};

static void test_consumer_values(void **state)
{
	(void)state;
	check_rows(BASE, consumer_values, ARRAY_LEN(consumer_values), HANDLER);
}

static const struct row handler_values[] = {
	{ "      command: []\n",
	    "f.yaml:6:16: consumers.mailer.handler.command: expected a program and its "
	    "arguments as a list, got an empty list\n" },
	{ "      command: cat\n",
	    "f.yaml:6:16: consumers.mailer.handler.command: expected a program and its "
	    "arguments as a list, got \"cat\"\n" },
	{ "      command: [cat, [x]]\n",
	    "f.yaml:6:22: consumers.mailer.handler.command[1]: expected text, got a "
	    "list\n" },
	{ "      command: [cat, ~, 007, '']\n", "" },
	{ "      command: [no-such-program-anywhere]\n",
	    "f.yaml:6:17: consumers.mailer.handler.command: expected a program that is "
	    "found in "
	    "PATH, got \"no-such-program-anywhere\"\n" },
	{ "      command: [/etc/passwd]\n",
	    "f.yaml:6:17: consumers.mailer.handler.command: expected a file that can be "
	    "executed, got \"/etc/passwd\"\n" },
	{ "      command: [/usr/bin]\n",
	    "f.yaml:6:17: consumers.mailer.handler.command: expected a file that can be "
	    "executed, got \"/usr/bin\"\n" },
	{ "      command: [nowhere/x]\n",
	    "f.yaml:6:17: consumers.mailer.handler.command: expected a file that can be "
	    "executed, got \"nowhere/x\"\n" },
	{ "      command: [cat]\n      stdin: none\n", "" },
	{ "      command: [cat]\n      stdin: field order id\n", "" },
	{ "      command: [cat]\n      stdin: text\n",
	    "f.yaml:7:14: consumers.mailer.handler.stdin: expected json, none or \"field "
	    "NAME\", "
	    "got \"text\"\n" },
	{ "      command: [cat]\n      stdin: 'field '\n",
	    "f.yaml:7:14: consumers.mailer.handler.stdin: expected json, none or \"field "
	    "NAME\", "
	    "got \"field \"\n" },
	{ "      command: [cat]\n      environment: [A]\n",
	    "f.yaml:7:20: consumers.mailer.handler.environment: expected a mapping of "
	    "names to "
	    "values, got a list\n" },
	{ "      command: [cat]\n      environment: {A=B: 1, C: , D: '', E: [1]}\n",
	    "f.yaml:7:21: consumers.mailer.handler.environment: expected the name of a "
	    "variable, "
	    "got \"A=B\"\n"
	    "f.yaml:7:32: consumers.mailer.handler.environment.C: expected text (\"\" for "
	    "an empty "
	    "one), got nothing\n"
	    "f.yaml:7:44: consumers.mailer.handler.environment.E: expected text (\"\" for "
	    "an empty "
	    "one), got a list\n" },
	{ "      command: [cat]\n      environment_fields: [a, '']\n",
	    "f.yaml:7:31: consumers.mailer.handler.environment_fields[1]: expected the "
	    "name of a "
	    "field, got \"\"\n" },
	{ "      command: [cat]\n      exit_codes: {256: dead, -1: ok, 03: ok, 3: okay}\n",
	    "f.yaml:7:20: consumers.mailer.handler.exit_codes: expected an exit status "
	    "from 0 to "
	    "255, got \"256\"\n"
	    "f.yaml:7:31: consumers.mailer.handler.exit_codes: expected an exit status "
	    "from 0 to "
	    "255, got \"-1\"\n"
	    "f.yaml:7:39: consumers.mailer.handler.exit_codes: expected an exit status "
	    "from 0 to "
	    "255, got \"03\"\n"
	    "f.yaml:7:50: consumers.mailer.handler.exit_codes.3: expected ok, retry, dead, "
	    "drop "
	    "or broken, got \"okay\"\n" },
	{ "      command: [cat]\n      exit_codes: [3]\n",
	    "f.yaml:7:19: consumers.mailer.handler.exit_codes: expected a mapping such as "
	    "{3: "
	    "dead, 4: retry}, got a list\n" },
};

static void test_handler_values(void **state)
{
	(void)state;
	check_rows(BASE "    handler:\n", handler_values, ARRAY_LEN(handler_values), "");
}

static const struct row stream_values[] = {
	{ "    stream: a\n", "" },
	{ "    streams: a\n", "" },
	{ "    streams: []\n", "f.yaml:3:14: consumers.a.streams: expected a list of names "
	                       "of streams, got an empty list\n" },
	{ "    streams: {a: b}\n",
	    "f.yaml:3:14: consumers.a.streams: expected a list of names of streams, got a "
	    "mapping\n" },
	{ "    stream: [a]\n", "f.yaml:3:13: consumers.a.stream: expected the name of a "
	                       "stream, got a list\n" },
	{ "    streams: [a, '']\n", "f.yaml:3:18: consumers.a.streams[1]: expected the "
	                            "name of a stream, got \"\"\n" },
	{ "    stream: a{0..99999999}\n", "f.yaml:3:13: consumers.a.stream: more than "
	                                  "100000 items in all lists and mappings "
	                                  "together\n" },
	{ "    stream: 'a{{0..1}..3}'\n",
	    "f.yaml:3:13: consumers.a.stream: ranges in braces cannot be nested\n" },
	{ "    streams: [a, b, a]\n", "f.yaml:3:14: consumers.a.streams: \"a\" is there twice\n" },
	{ "    stream: a\n    streams: [b]\n", "f.yaml:4:14: consumers.a.streams: expected "
	                                       "either stream or streams, got both\n" },
};

static void test_stream_values(void **state)
{
	(void)state;
	check_rows("consumers:\n  a:\n", stream_values, ARRAY_LEN(stream_values),
	    "    group: g\n" HANDLER);
}

/* What is said where TLS is asked for: by a build without it that it has none, and nothing else. */
#define NO_TLS(place, key)                                                                         \
	"f.yaml:" place ": redis." key                                                             \
	": this build has no TLS: install libssl-dev (Debian, Ubuntu) or openssl-devel (Fedora), " \
	"and build again\n"
#if SLUICED_HAVE_TLS
#define NEEDS_TLS(place, key, otherwise)  otherwise
#define NEEDS_TLS_TOO(place, key, always) always
#else
#define NEEDS_TLS(place, key, otherwise)  NO_TLS(place, key)
#define NEEDS_TLS_TOO(place, key, always) NO_TLS(place, key) always
#endif

static const struct row redis_values[] = {
	{ "  url: unix:///run/redis.sock?db=2\n", "" },
	{ "  url: localhost\n",
	    "f.yaml:2:8: redis.url: expected a URL that begins with redis://, rediss:// or "
	    "unix://, got \"localhost\"\n" },
	{ "  url: redis://u:secret@h:0\n", "f.yaml:2:8: redis.url: expected a port from 1 "
	                                   "to 65535, got \"redis://***@h:0\"\n" },
	{ "  url: u:secret@h\n",
	    "f.yaml:2:8: redis.url: expected a URL that begins with redis://, rediss:// or "
	    "unix://, got \"***@h\"\n" },
	{ "  url: rediss://h\n", NEEDS_TLS("2:8", "url", "") },
	{ "  url: rediss://h:0\n", "f.yaml:2:8: redis.url: expected a port from 1 to 65535, got "
	                           "\"rediss://h:0\"\n" },
	{ "  url: redis://u%80@h\n", "f.yaml:2:8: redis.url: expected a user in UTF-8\n" },
	{ "  url: redis://u:secret@h\n", "f.yaml:2:8: warning: redis.url: holds a "
	                                 "password; redis.password_file keeps it out "
	                                 "of this file\n" },
	{ "  url: redis://u:secret@h\n  password: x\n",
	    "f.yaml:2:8: redis.url: expected one password, got another one beside the "
	    "URL\n" },
	{ "  url: redis://u@h\n  username: v\n",
	    "f.yaml:3:13: redis.username: expected one user, got another one in "
	    "redis.url\n" },
	{ "  password: [secret]\n", "f.yaml:2:13: redis.password: expected text\n" },
	{ "  password: x\n  password_credential: y\n",
	    "f.yaml:3:24: redis.password_credential: expected at most one of password, "
	    "password_file and password_credential\n"
	    "f.yaml:3:24: redis.password_credential: expected a credential, but "
	    "$CREDENTIALS_DIRECTORY is not set\n" },
	{ "  password_file: /no/such/file\n",
	    "f.yaml:2:18: redis.password_file: expected a file for the daemon alone, got "
	    "\"/no/such/file\": No such file or directory\n" },
	{ "  password_file: missing\n",
	    "f.yaml:2:18: redis.password_file: expected a file for the daemon alone, got "
	    "\"/etc/missing\": No such file or directory\n" },
	{ "  password_file: /tmp\n",
	    "f.yaml:2:18: redis.password_file: expected a file for the daemon alone, got "
	    "\"/tmp\": it is no regular file\n" },
	{ "  password_file: /etc/passwd\n",
	    "f.yaml:2:18: redis.password_file: expected a file for the daemon alone, got "
	    "\"/etc/passwd\": group or others may read it (chmod 600)\n" },
	{ "  tls: {verify: true}\n", "" },
	{ "  url: unix:///s\n  tls: {server_name: x}\n",
	    "f.yaml:3:9: warning: redis.tls.server_name: has no effect: redis.url does not begin "
	    "with rediss://\n" },
	{ "  url: rediss://h\n  tls: {verify: false}\n",
	    NEEDS_TLS("2:8", "url",
	        "f.yaml:3:17: warning: redis.tls.verify: the certificate is not checked: anybody "
	        "in "
	        "between can pose as the server\n") },
	{ "  url: rediss://h\n  tls: {ca_file: /etc/passwd, ca_dir: /etc}\n",
	    NEEDS_TLS("2:8", "url",
	        "f.yaml:3:39: warning: redis.tls.ca_dir: no file in it is named by its hash, as "
	        "`openssl rehash` does: no authority will be found\n") },
	{ "  url: rediss://h\n  tls: {cert_file: /etc/passwd, key_file: /etc/passwd}\n",
	    NEEDS_TLS("2:8", "url", "") },
	{ "  tls: {ca_file: x}\n", "f.yaml:2:18: redis.tls.ca_file: expected a file to read, got "
	                           "\"/etc/x\": No such file or directory\n" },
	{ "  tls: {ca_file: /etc}\n",
	    "f.yaml:2:18: redis.tls.ca_file: expected a file to read, got "
	    "\"/etc\": it is a directory\n" },
	{ "  tls: {ca_dir: /etc/passwd}\n", "f.yaml:2:17: redis.tls.ca_dir: expected a directory "
	                                    "to read, got \"/etc/passwd\": it is no "
	                                    "directory\n" },
	{ "  tls: {cert_file: /no/such}\n", "f.yaml:2:20: redis.tls.cert_file: expected a file to "
	                                    "read, got \"/no/such\": No such file "
	                                    "or directory\n" },
	{ "  tls: {key_file: /no/such}\n",
	    "f.yaml:2:19: redis.tls.key_file: expected a file to read, got \"/no/such\": No such "
	    "file "
	    "or directory\n"
	    "f.yaml:2:19: redis.tls.key_file: expected tls.cert_file beside it\n" },
	{ "  sentinel: {master: m, nodes: [\"h:1\"], tls: {key_file: /etc/passwd}}\n",
	    NEEDS_TLS_TOO("2:46", "sentinel.tls",
	        "f.yaml:2:57: redis.sentinel.tls.key_file: expected sentinel.tls.cert_file beside "
	        "it\n") },
	{ "  sentinel: {master: m, nodes: [\"h:1\"], tls: {verify: false}}\n",
	    NEEDS_TLS("2:46", "sentinel.tls",
	        "f.yaml:2:55: warning: redis.sentinel.tls.verify: the certificate is not checked: "
	        "anybody in between can pose as the server\n") },
	{ "  sentinel: {master: m, nodes: [\"h:1\", \"[::1]:26379\"]}\n", "" },
	{ "  sentinel: {master: m, nodes: [\"h:1\"], username: u, password: p}\n", "" },
	{ "  sentinel: {master: m}\n",
	    "f.yaml:2:22: redis.sentinel.master: expected sentinel.nodes beside it\n" },
	{ "  sentinel: {nodes: [\"h:1\"]}\n",
	    "f.yaml:2:21: redis.sentinel.nodes: expected sentinel.master beside it\n" },
	{ "  sentinel: {password: x}\n",
	    "f.yaml:2:24: redis.sentinel.password: expected sentinel.master beside it\n" },
	{ "  sentinel: {master: m, nodes: [h]}\n",
	    "f.yaml:2:33: redis.sentinel.nodes[0]: expected HOST:PORT, got \"h\"\n" },
	{ "  sentinel: {master: m, nodes: []}\n",
	    "f.yaml:2:32: redis.sentinel.nodes: expected at least one HOST:PORT, got none\n" },
	{ "  sentinel: {master: \"\", nodes: [\"h:1\"]}\n",
	    "f.yaml:2:22: redis.sentinel.master: expected text, got \"\"\n" },
	{ "  url: unix:///s\n  sentinel: {master: m, nodes: [\"h:1\"]}\n",
	    "f.yaml:2:8: redis.url: expected redis:// or rediss:// with Sentinels\n" },
	{ "  cluster: true\n  sentinel: {master: m, nodes: [\"h:1\"]}\n",
	    "f.yaml:2:12: redis.cluster: expected either a Cluster or Sentinels, got both\n" },
	{ "  sentinel: {master: m, nodes: [\"h:1\"], password: x, password_file: /etc/passwd}\n",
	    "f.yaml:2:69: redis.sentinel.password_file: expected at most one of password, "
	    "password_file and password_credential\n"
	    "f.yaml:2:69: redis.sentinel.password_file: expected a file for the daemon alone, got "
	    "\"/etc/passwd\": group or others may read it (chmod 600)\n" },
	{ "  sentinel: {master: m, nodes: [\"h:1\"], password_credential: x}\n",
	    "f.yaml:2:62: redis.sentinel.password_credential: expected a credential, but "
	    "$CREDENTIALS_DIRECTORY is not set\n" },
	{ "  cluster: false\n", "" },
	{ "  cluster: true\n  nodes: [\"h:1\"]\n", "" },
	{ "  nodes: [\"h:1\"]\n", "f.yaml:2:10: redis.nodes: expected cluster: true beside it\n" },
	{ "  cluster: true\n  url: unix:///s\n",
	    "f.yaml:3:8: redis.url: expected redis:// or rediss:// for a Cluster\n" },
	{ "  cluster: true\n  url: redis://h/1\n",
	    "f.yaml:3:8: redis.url: expected no database: a Cluster has only one\n" },
	{ "  keepalive: 10ms\n", "f.yaml:2:14: redis.keepalive: expected a duration from "
	                         "1s to 1h, got \"10ms\"\n" },
};

static void test_redis_values(void **state)
{
	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	check_rows("redis:\n", redis_values, ARRAY_LEN(redis_values), CONSUMER);
}

static const struct row daemon_values[] = {
	{ "  instance: web-1_a.b\n", "" },
	{ "  instance: a b\n", "f.yaml:2:13: daemon.instance: expected one word of "
	                       "letters, digits and _.-, got \"a "
	                       "b\"\n" },
	{ "  instance: ..\n", "f.yaml:2:13: daemon.instance: expected one word of letters, "
	                      "digits and _.-, got "
	                      "\"..\"\n" },
	{ "  log: {level: notice, format: journal}\n", "" },
	{ "  log: {level: fatal}\n", "f.yaml:2:16: daemon.log.level: expected error, "
	                             "warning, notice, info or debug, got "
	                             "\"fatal\"\n" },
	{ "  listen: []\n", "" },
	{ "  listen: [\"unix:/a\", \"unix:b?mode=0660&group=adm\", \"127.0.0.1:80\", "
	  "\"[::1]:80\"]\n",
	    "" },
	{ "  listen: unix:/a\n",
	    "f.yaml:2:11: daemon.listen: expected a list of unix:PATH or HOST:PORT, got "
	    "\"unix:/a\"\n" },
	{ "  listen: [\"unix:\"]\n",
	    "f.yaml:2:12: daemon.listen[0]: expected a path after unix:, got \"unix:\"\n" },
	{ "  listen: [\"unix:/a?mode=888\"]\n",
	    "f.yaml:2:12: daemon.listen[0]: expected ?mode=0660, ?group=NAME or "
	    "?mode=0660&group=NAME, got \"unix:/a?mode=888\"\n" },
	{ "  listen: [\"unix:/a?mode=4777\"]\n",
	    "f.yaml:2:12: daemon.listen[0]: expected ?mode=0660, ?group=NAME or "
	    "?mode=0660&group=NAME, got \"unix:/a?mode=4777\"\n" },
	{ "  listen: [\"unix:/a?\"]\n",
	    "f.yaml:2:12: daemon.listen[0]: expected ?mode=0660, ?group=NAME or "
	    "?mode=0660&group=NAME, got \"unix:/a?\"\n" },
	{ "  listen: [\":80\", \"h\", \"h:0\", \"h:70000\", \"[x]:80\", \"a:b:1\"]\n",
	    "f.yaml:2:12: daemon.listen[0]: expected unix:PATH or HOST:PORT, got \":80\"\n"
	    "f.yaml:2:19: daemon.listen[1]: expected unix:PATH or HOST:PORT, got \"h\"\n"
	    "f.yaml:2:24: daemon.listen[2]: expected unix:PATH or HOST:PORT, got \"h:0\"\n"
	    "f.yaml:2:31: daemon.listen[3]: expected unix:PATH or HOST:PORT, got "
	    "\"h:70000\"\n"
	    "f.yaml:2:42: daemon.listen[4]: expected unix:PATH or HOST:PORT, got "
	    "\"[x]:80\"\n"
	    "f.yaml:2:52: daemon.listen[5]: expected unix:PATH or HOST:PORT, got "
	    "\"a:b:1\"\n" },
	{ "  drain_timeout: 0s\n", "" },
	{ "  max_in_flight_bytes: 0\n", "f.yaml:2:24: daemon.max_in_flight_bytes: expected "
	                                "a size from 1 to 1024GiB, got "
	                                "\"0\"\n" },
};

static void test_daemon_values(void **state)
{
	(void)state;
	check_rows("daemon:\n", daemon_values, ARRAY_LEN(daemon_values), CONSUMER);
}

static void test_socket_paths_fit(void **state)
{
	char path[120] = "/";
	struct buf text = { 0 };
	char *messages;

	(void)state;
	memset(path + 1, 'x', 100);
	buf_printf(&text, "daemon: {runtime_dir: %s}\n" CONSUMER, path);
	assert_null(load_bytes(buf_slice(&text), NULL, &messages));
	assert_non_null(strstr(messages,
	    "f.yaml:1:23: daemon.runtime_dir: expected a path of at most 94 bytes, got"));
	free(messages);
	buf_clear(&text);
	memset(path + 1, 'x', 107);
	buf_printf(&text, "daemon: {listen: [\"unix:%s\"]}\n" CONSUMER, path);
	assert_null(load_bytes(buf_slice(&text), NULL, &messages));
	assert_non_null(strstr(messages,
	    "f.yaml:1:19: daemon.listen[0]: expected a socket path of at most 107 bytes, got"));
	free(messages);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_consumer_values),
		cmocka_unit_test(test_handler_values),
		cmocka_unit_test(test_stream_values),
		cmocka_unit_test(test_redis_values),
		cmocka_unit_test(test_daemon_values),
		cmocka_unit_test(test_socket_paths_fit),
	};

	unsetenv("RUNTIME_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
