/* SPDX-License-Identifier: MIT */
/*
 * A worker that does nothing: as little as the protocol allows, so that what is measured is the
 * daemon. Reads what is there, and says ok to all of it in one line.
 *
 *	handler
 *	handler retry-first     fails each entry once
 *	handler hold            puts what comes from the stream "held" off for an hour
 *	handler latency FILE    writes to FILE how long the entries of `pace` took to get here
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "latency.h"

enum { VERDICT_FD = 3 };

/* Entries whose line has these words before its fields are retried: the rest of that verdict. */
struct rule {
	const char *name, *words, *rest;
};

static const struct rule rules[] = {
	{ "retry-first", "\"attempt\":1,", "\n" },
	{ "hold", "\"stream\":\"held\"", " delay=1h\n" },
};

static const char tag_key[] = "{\"tag\":", fields_key[] = "\"fields\":{", time_key[] = "\"t\":\"";

static const struct rule *rule;
static const char *latency_path;
static char in[1024 * 1024], out[64 * 1024];
static size_t in_len, out_len;
static bool ok_begun;

static void append(const char *text, size_t len)
{
	memcpy(out + out_len, text, len);
	out_len += len;
}

static void end_ok(void)
{
	if (ok_begun)
		append("\n", 1);
	ok_begun = false;
}

static void say(void)
{
	const char *text = out;

	end_ok();
	while (out_len) {
		ssize_t n = write(VERDICT_FD, text, out_len);

		if (n < 0)
			exit(1);
		text += n;
		out_len -= (size_t)n;
	}
}

static void add_ok(struct slice tag)
{
	if (!ok_begun)
		append("ok", 2);
	ok_begun = true;
	append(" ", 1);
	append(tag.data, tag.len);
}

static void add_retry(struct slice tag)
{
	end_ok();
	append("retry ", 6);
	append(tag.data, tag.len);
	append(rule->rest, strlen(rule->rest));
}

static struct slice find(struct slice in_this, const char *words)
{
	const char *at = memmem(in_this.data, in_this.len, words, strlen(words));

	return at ? (struct slice){ at, (size_t)(in_this.data + in_this.len - at) }
	          : (struct slice){ 0 };
}

static bool rule_holds(struct slice line)
{
	struct slice fields = find(line, fields_key);

	line.len -= fields.len;
	return find(line, rule->words).len != 0;
}

static void take_time(struct slice line, int64_t now_ns)
{
	struct slice t = find(line, time_key);
	size_t skipped = t.len ? sizeof(time_key) - 1 : 0;

	latency_record(now_ns, (struct slice){ t.data + skipped, t.len - skipped });
}

static void take_line(struct slice line, int64_t now_ns)
{
	struct slice tag = { line.data + sizeof(tag_key) - 1, 0 };

	if (memcmp(line.data, tag_key, sizeof(tag_key) - 1) != 0) {
		fprintf(stderr, "a line without a tag\n");
		exit(1);
	}
	tag.len = strspn(tag.data, "0123456789");
	if (out_len + tag.len + 32 > sizeof(out))
		say();
	if (latency_path)
		take_time(line, now_ns);
	if (rule && rule_holds(line))
		add_retry(tag);
	else
		add_ok(tag);
}

/* Takes the whole lines and keeps the rest for the next read. */
static void take_lines(int64_t now_ns)
{
	char *line = in, *end = in + in_len, *newline;

	while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
		take_line((struct slice){ line, (size_t)(newline - line) }, now_ns);
		line = newline + 1;
	}
	in_len = (size_t)(end - line);
	memmove(in, line, in_len);
}

static void take_arguments(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < ARRAY_LEN(rules); i++) {
		if (strcmp(argv[1], rules[i].name) == 0)
			rule = &rules[i];
	}
	if (argc == 3 && strcmp(argv[1], "latency") == 0)
		latency_path = argv[2];
	if (argc > 1 && !rule && !latency_path) {
		fprintf(stderr, "usage: handler [retry-first | hold | latency FILE]\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	ssize_t n;

	take_arguments(argc, argv);
	append("ready\n", 6);
	say();
	while ((n = read(STDIN_FILENO, in + in_len, sizeof(in) - in_len)) > 0) {
		in_len += (size_t)n;
		take_lines(latency_path ? latency_now_ns() : 0);
		say();
	}
	if (latency_path)
		latency_report(latency_path);
	return n < 0 || in_len;
}
