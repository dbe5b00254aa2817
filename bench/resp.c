/* SPDX-License-Identifier: MIT */
/* A reply is framed as its bytes arrive, so that a large one is looked at once however many reads
 * it takes. */
#include "resp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 1024 * 1024 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

void resp_connect(struct resp *r, const char *socket_path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*r = (struct resp){ .values_left = 1 };
	if (strlen(socket_path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		die(socket_path);
	}
	memcpy(address.sun_path, socket_path, strlen(socket_path));
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (r->fd < 0 || connect(r->fd, (struct sockaddr *)&address, sizeof(address)))
		die(socket_path);
}

void resp_send(struct resp *r, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = write(r->fd, bytes.data, bytes.len);

		if (n < 0)
			die("write to the server");
		bytes.data += n;
		bytes.len -= (size_t)n;
	}
}

static void receive(struct resp *r)
{
	ssize_t n = read(r->fd, buf_reserve(&r->in, READ_BYTES), READ_BYTES);

	if (n <= 0)
		die("read from the server");
	buf_added(&r->in, (size_t)n);
}

long resp_number(const char **p)
{
	bool negative = (*p)[1] == '-';
	long value = 0;

	for (*p += negative ? 2 : 1; **p != '\r'; (*p)++)
		value = 10 * value + (**p - '0');
	*p += 2;
	return negative ? -value : value;
}

/* Frames one more value, or returns false when it is not whole yet. */
static bool frame_value(struct resp *r)
{
	const char *start = buf_data(&r->in) + r->scanned, *p = start;
	size_t there = buf_len(&r->in) - r->scanned, len;
	const char *newline = there ? memchr(start, '\n', there) : NULL;
	long n = 0;

	if (!newline)
		return false;
	len = (size_t)(newline + 1 - start);
	if (*start == '$' || *start == '*')
		n = resp_number(&p);
	if (*start == '$' && n >= 0)
		len += (size_t)n + 2;
	if (len > there)
		return false;
	if (*start == '*' && n > 0)
		r->values_left += (size_t)n;
	r->values_left--;
	r->scanned += len;
	return true;
}

struct slice resp_next(struct resp *r)
{
	struct slice reply;

	buf_consume(&r->in, r->taken);
	r->taken = 0;
	while (r->values_left) {
		if (!frame_value(r))
			receive(r);
	}
	reply = (struct slice){ buf_data(&r->in), r->scanned };
	if (*reply.data == '-') {
		fprintf(stderr, "the server said %.*s", (int)reply.len, reply.data);
		exit(1);
	}
	r->taken = r->scanned;
	r->scanned = 0;
	r->values_left = 1;
	return reply;
}

void resp_skip(const char **p)
{
	char type = **p;
	long n;

	if (type != '$' && type != '*') {
		*p = strchr(*p, '\n') + 1;
		return;
	}
	n = resp_number(p);
	if (type == '$') {
		*p += n < 0 ? 0 : n + 2;
		return;
	}
	for (; n > 0; n--)
		resp_skip(p);
}

void resp_begin(struct buf *to, size_t n)
{
	buf_printf(to, "*%zu\r\n", n);
}

void resp_words(struct buf *to, struct words words)
{
	for (size_t i = 0; i < words.n; i++) {
		buf_printf(to, "$%zu\r\n", strlen(words.of[i]));
		buf_append_text(to, words.of[i]);
		buf_append_text(to, "\r\n");
	}
}

void resp_command(struct buf *to, struct words words)
{
	resp_begin(to, words.n);
	resp_words(to, words);
}
