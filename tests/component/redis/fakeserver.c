/* SPDX-License-Identifier: MIT */
/*
 * Owns a listening socket and the connections it took. What is sent is written without waiting for
 * room: a test that says more than a socket buffer holds has to read meanwhile.
 */
#include "fakeserver.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

const char CLOSES[] = "closes";

static const struct fake_rule friendly[] = {
	{ "AUTH", "+OK\r\n" },
	{ "SELECT", "+OK\r\n" },
	{ "CLIENT SETNAME", "+OK\r\n" },
	{ "CLIENT ID", ":42\r\n" },
	{ "PING", "+PONG\r\n" },
	{ "", "-ERR unknown command\r\n" },
};

static void client_close(struct fake_client *c)
{
	struct ev_loop *ev = loop_ev(c->server->loop);

	if (c->fd < 0)
		return;
	ev_io_stop(ev, &c->readable);
	ev_timer_stop(ev, &c->trickle);
	close(c->fd);
	c->fd = -1;
	c->closing = c->subscribed = false;
	buf_done(&c->in);
	buf_done(&c->out);
}

static void client_write(struct fake_client *c)
{
	size_t piece = c->server->piece ? c->server->piece : SIZE_MAX;
	size_t len = buf_len(&c->out) < piece ? buf_len(&c->out) : piece;
	ssize_t n = len ? send(c->fd, buf_data(&c->out), len, MSG_NOSIGNAL) : 0;

	if (n > 0)
		buf_consume(&c->out, (size_t)n);
	if (n < 0 && errno != EAGAIN) {
		client_close(c);
		return;
	}
	if (buf_len(&c->out))
		loop_timer_in(c->server->loop, &c->trickle, 1);
	else if (c->closing)
		client_close(c);
}

static void on_trickle(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	client_write(w->data);
}

static bool fits(const struct fake_rule *rule, const char *command)
{
	return strncmp(command, rule->command, strlen(rule->command)) == 0;
}

static const char *reply_to(const struct fakeserver *s, const char *command)
{
	for (size_t i = 0; i < s->n_rules; i++) {
		if (fits(&s->rules[i], command))
			return s->rules[i].reply;
	}
	for (size_t i = 0;; i++) {
		if (fits(&friendly[i], command))
			return friendly[i].reply;
	}
}

static void obey(struct fake_client *c, const char *command)
{
	struct fakeserver *s = c->server;
	const char *reply = reply_to(s, command);

	buf_append_text(&s->commands, command);
	buf_append_char(&s->commands, '|');
	c->subscribed = c->subscribed || strncmp(command, "SUBSCRIBE", 9) == 0;
	if (reply == CLOSES)
		c->closing = true;
	else if (reply && !c->closing)
		buf_append_text(&c->out, reply);
}

/* One command from the front of the input, its words joined by blanks: false when it is not whole.
 * What the code under test sends is well formed, so nothing is checked. */
static bool take_command(struct buf *in, struct buf *words)
{
	char *p = buf_data(in), *end = p + buf_len(in);
	long n_words;

	if (!buf_len(in) || !memchr(p, '\n', buf_len(in)))
		return false;
	n_words = strtol(p + 1, &p, 10);
	for (p += 2; n_words; n_words--) {
		long len;

		if (p == end || !memchr(p, '\n', (size_t)(end - p)))
			return false;
		len = strtol(p + 1, &p, 10);
		p += 2;
		if (end - p < len + 2)
			return false;
		buf_append(words, " ", buf_len(words) > 0);
		buf_append(words, p, (size_t)len);
		p += len + 2;
	}
	buf_consume(in, (size_t)(p - buf_data(in)));
	return true;
}

static void on_readable(struct ev_loop *ev, ev_io *w, int events)
{
	struct fake_client *c = w->data;
	ssize_t n = recv(c->fd, buf_reserve(&c->in, 1 << 16), 1 << 16, 0);
	struct buf words = { 0 };

	(void)ev;
	(void)events;
	if (n <= 0) {
		client_close(c);
		return;
	}
	buf_added(&c->in, (size_t)n);
	/* strtol() needs a terminator somewhere behind. */
	*buf_reserve(&c->in, 1) = '\0';
	while (take_command(&c->in, &words)) {
		buf_append_char(&words, '\0');
		obey(c, buf_data(&words));
		buf_clear(&words);
	}
	buf_done(&words);
	client_write(c);
}

static struct fake_client *free_client(struct fakeserver *s)
{
	for (size_t i = 0; i < FAKE_CLIENTS_MAX; i++) {
		if (s->clients[i].fd < 0)
			return &s->clients[i];
	}
	abort();
}

static void on_accept(struct ev_loop *ev, ev_io *w, int events)
{
	struct fakeserver *s = w->data;
	struct fake_client *c;
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	s->accepted_at_ms[s->n_accepted++ % 512] = loop_now_ms(s->loop);
	if (s->closes_at_once) {
		close(fd);
		return;
	}
	c = free_client(s);
	c->fd = fd;
	ev_io_set(&c->readable, fd, EV_READ);
	if (!s->is_deaf)
		ev_io_start(ev, &c->readable);
	if (s->greeting) {
		buf_append_text(&c->out, s->greeting);
		client_write(c);
	}
}

static int listen_unix(struct fakeserver *s, const char *folder)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(s->path, sizeof(s->path), "%s/redis.sock", folder);
	unlink(s->path);
	assert(strlen(s->path) < sizeof(at.sun_path));
	strcpy(at.sun_path, s->path);
	return bind(fd, (struct sockaddr *)&at, sizeof(at)) ? -1 : fd;
}

static int listen_loopback(struct fakeserver *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    getsockname(fd, (struct sockaddr *)&at, &len))
		return -1;
	s->port = ntohs(at.sin_port);
	return fd;
}

void fakeserver_start(struct fakeserver *s, struct loop *loop, const char *folder)
{
	*s = (struct fakeserver){ .loop = loop };
	for (size_t i = 0; i < FAKE_CLIENTS_MAX; i++) {
		struct fake_client *c = &s->clients[i];

		c->server = s;
		c->fd = -1;
		ev_init(&c->readable, on_readable);
		ev_init(&c->trickle, on_trickle);
		c->readable.data = c->trickle.data = c;
	}
	s->listener = folder ? listen_unix(s, folder) : listen_loopback(s);
	assert(s->listener >= 0);
	if (listen(s->listener, 64))
		abort();
	ev_io_init(&s->accepting, on_accept, s->listener, EV_READ);
	s->accepting.data = s;
	ev_io_start(loop_ev(loop), &s->accepting);
}

void fakeserver_rule(struct fakeserver *s, const char *command, const char *reply)
{
	assert(s->n_rules < FAKE_RULES_MAX);
	s->rules[s->n_rules++] = (struct fake_rule){ command, reply };
}

void fakeserver_say(struct fakeserver *s, const char *bytes, size_t len)
{
	for (size_t i = 0; i < FAKE_CLIENTS_MAX; i++) {
		if (s->clients[i].fd < 0)
			continue;
		buf_append(&s->clients[i].out, bytes, len);
		client_write(&s->clients[i]);
	}
}

void fakeserver_publish(struct fakeserver *s, const char *bytes)
{
	for (size_t i = 0; i < FAKE_CLIENTS_MAX; i++) {
		if (s->clients[i].fd < 0 || !s->clients[i].subscribed)
			continue;
		buf_append_text(&s->clients[i].out, bytes);
		client_write(&s->clients[i]);
	}
}

void fakeserver_hang_up(struct fakeserver *s)
{
	for (size_t i = 0; i < FAKE_CLIENTS_MAX; i++)
		client_close(&s->clients[i]);
}

const char *fakeserver_commands(struct fakeserver *s)
{
	const char *seen;

	buf_append_char(&s->commands, '\0');
	seen = buf_data(&s->commands);
	buf_clear(&s->commands);
	return seen;
}

size_t fakeserver_n_clients(const struct fakeserver *s)
{
	size_t n = 0;

	for (size_t i = 0; i < FAKE_CLIENTS_MAX; i++)
		n += s->clients[i].fd >= 0;
	return n;
}

void fakeserver_stop(struct fakeserver *s)
{
	fakeserver_hang_up(s);
	ev_io_stop(loop_ev(s->loop), &s->accepting);
	if (s->listener >= 0)
		close(s->listener);
	s->listener = -1;
	if (s->path[0])
		unlink(s->path);
	buf_done(&s->commands);
}
