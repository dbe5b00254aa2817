/* SPDX-License-Identifier: MIT */
/*
 * A worker that does nothing: as little as the protocol allows, so that what is measured is the
 * daemon. Reads what is there, and says ok to all of it in one line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERDICT_FD = 3 };

static const char tag_key[] = "{\"tag\":";

static char in[256 * 1024], out[64 * 1024];
static size_t in_len, out_len;

static void say(const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(VERDICT_FD, text, len);

		if (n < 0)
			exit(1);
		text += n;
		len -= (size_t)n;
	}
}

static void say_ok(void)
{
	if (!out_len)
		return;
	out[out_len++] = '\n';
	say(out, out_len);
	out_len = 0;
}

static void add_tag(const char *line)
{
	const char *digits = line + sizeof(tag_key) - 1;
	size_t len = strspn(digits, "0123456789");

	if (out_len + len + 2 > sizeof(out))
		say_ok();
	if (!out_len) {
		memcpy(out, "ok", 2);
		out_len = 2;
	}
	out[out_len++] = ' ';
	memcpy(out + out_len, digits, len);
	out_len += len;
}

/* Takes the whole lines and keeps the rest for the next read. */
static void take_lines(void)
{
	char *line = in, *end = in + in_len, *newline;

	while ((newline = memchr(line, '\n', (size_t)(end - line)))) {
		if (memcmp(line, tag_key, sizeof(tag_key) - 1) != 0) {
			fprintf(stderr, "a line without a tag\n");
			exit(1);
		}
		add_tag(line);
		line = newline + 1;
	}
	in_len = (size_t)(end - line);
	memmove(in, line, in_len);
}

int main(void)
{
	ssize_t n;

	say("ready\n", 6);
	while ((n = read(STDIN_FILENO, in + in_len, sizeof(in) - in_len)) > 0) {
		in_len += (size_t)n;
		take_lines();
		say_ok();
	}
	return n < 0 || in_len;
}
