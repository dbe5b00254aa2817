/* SPDX-License-Identifier: MIT */
#include "redis/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"

enum { AGAIN_MS = 20 };

static void try_next(struct dial *d, const char *why);

static void tune_tcp(int fd, uint64_t keepalive_ms)
{
	int on = 1, seconds = (int)((keepalive_ms + 999) / 1000), probes = 3;
	unsigned timeout = (unsigned)keepalive_ms;

	/* Best effort: a connection without them works, it only notices a dead peer later. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
}

static void close_socket(struct dial *d)
{
	ev_io_stop(loop_ev(d->loop), &d->writable);
	ev_timer_stop(loop_ev(d->loop), &d->again);
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

static void forget_addresses(struct dial *d)
{
	free(d->addresses);
	d->addresses = NULL;
	d->n_addresses = 0;
}

/* No more room than they take: a thousand connections may dial at once. */
static void set_addresses(struct dial *d, const struct address_list *list)
{
	free(d->addresses);
	d->addresses = xmemdup(list->items, list->len * sizeof(list->items[0]));
	d->n_addresses = list->len;
}

static void connected(struct dial *d)
{
	int fd = d->fd;

	d->fd = -1;
	forget_addresses(d);
	ev_io_stop(loop_ev(d->loop), &d->writable);
	d->on_connected(d->owner, fd);
}

static void try_address(struct dial *d, const struct address *a)
{
	d->fd = socket(a->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd < 0) {
		try_next(d, strerror(errno));
		return;
	}
	if (a->family != AF_UNIX)
		tune_tcp(d->fd, d->settings->keepalive_ms);
	if (connect(d->fd, (const struct sockaddr *)&a->storage, a->len) == 0) {
		connected(d);
		return;
	}
	/* A unix socket whose queue is full does not let one wait, as TCP does: 511 connections at
	 * once are too many for Redis' default. */
	if (errno == EAGAIN && a->family == AF_UNIX) {
		close_socket(d);
		loop_timer_in(d->loop, &d->again, AGAIN_MS);
		return;
	}
	if (errno != EINPROGRESS) {
		try_next(d, strerror(errno));
		return;
	}
	ev_io_set(&d->writable, d->fd, EV_WRITE);
	ev_io_start(loop_ev(d->loop), &d->writable);
}

/* The address at hand does not work, for this reason: on to the next one. */
static void try_next(struct dial *d, const char *why)
{
	close_socket(d);
	if (d->n_tried == d->n_addresses) {
		forget_addresses(d);
		d->on_failed(d->owner, why);
		return;
	}
	d->n_tried++;
	try_address(d, &d->addresses[d->next++ % d->n_addresses]);
}

static void on_writable(struct ev_loop *ev, ev_io *w, int events)
{
	struct dial *d = w->data;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)ev;
	(void)events;
	getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error)
		try_next(d, strerror(error));
	else
		connected(d);
}

static void on_again(struct ev_loop *ev, ev_timer *w, int events)
{
	struct dial *d = w->data;

	(void)ev;
	(void)events;
	try_address(d, &d->addresses[0]);
}

static void on_resolved(void *owner, const struct address_list *list, const char *why)
{
	struct dial *d = owner;
	char text[300];

	d->resolution = NULL;
	if (!list || !list->len) {
		snprintf(text, sizeof(text), "%s: %s", d->host,
		    why ? why : "the name has no address");
		d->on_failed(d->owner, text);
		return;
	}
	set_addresses(d, list);
	try_next(d, "");
}

static void unix_address(const char *path, struct address_list *ret_list)
{
	struct sockaddr_un *to;

	*ret_list = (struct address_list){ .len = 1 };
	to = (struct sockaddr_un *)&ret_list->items[0].storage;
	to->sun_family = AF_UNIX;
	snprintf(to->sun_path, sizeof(to->sun_path), "%s", path);
	ret_list->items[0].len = sizeof(*to);
	ret_list->items[0].family = AF_UNIX;
}

static void dial_host(struct dial *d, const char *host, uint16_t port)
{
	struct address_list list;

	d->host = host;
	if (resolve_numeric(host, port, &list)) {
		d->resolution = resolve_start(d->resolver, host, port, on_resolved, d);
		return;
	}
	set_addresses(d, &list);
	try_next(d, "");
}

static void dial_place(struct dial *d, const struct endpoint *place)
{
	d->place = xmalloc(sizeof(*d->place));
	*d->place = *place;
	dial_host(d, d->place->host, d->place->port);
}

static void on_answer(void *owner, const struct endpoint *primary, const char *why)
{
	struct dial *d = owner;

	if (primary)
		dial_place(d, primary);
	else
		d->on_failed(d->owner, why);
}

static void on_moved(void *owner, const char *why)
{
	struct dial *d = owner;

	d->on_moved(d->owner, why);
}

void dial_init(struct dial *d)
{
	d->fd = -1;
	ev_init(&d->writable, on_writable);
	d->writable.data = d;
	ev_init(&d->again, on_again);
	d->again.data = d;
	if (!d->sentinels)
		return;
	d->user = xmalloc(sizeof(*d->user));
	*d->user =
	    (struct primary_user){ .owner = d, .on_answer = on_answer, .on_moved = on_moved };
	primary_join(d->sentinels, d->user);
}

static void forget_place(struct dial *d)
{
	free(d->place);
	d->place = NULL;
}

void dial_done(struct dial *d)
{
	dial_stop(d);
	forget_place(d);
	if (d->user)
		primary_leave(d->user);
	free(d->user);
}

void dial_start(struct dial *d, const struct endpoint *to)
{
	const struct redisurl *url = &d->settings->url;
	struct address_list list;

	d->n_tried = 0;
	forget_place(d);
	if (to) {
		dial_place(d, to);
	} else if (d->user) {
		primary_ask(d->user);
	} else if (url->socket_path) {
		unix_address(url->socket_path, &list);
		set_addresses(d, &list);
		try_next(d, "");
	} else {
		dial_host(d, url->host, url->port);
	}
}

void dial_arrived(struct dial *d)
{
	if (d->user)
		primary_found(d->user);
}

void dial_denied(struct dial *d)
{
	if (d->user)
		primary_denies(d->user);
}

void dial_stop(struct dial *d)
{
	resolve_cancel(d->resolution);
	d->resolution = NULL;
	close_socket(d);
	forget_addresses(d);
	if (d->user)
		primary_failed(d->user);
}

struct dial_peer dial_peer(const struct dial *d, const char *what)
{
	struct dial_peer peer;

	snprintf(peer.text, sizeof(peer.text), "%s%s%s", what, d->place ? " at " : "",
	    d->place ? endpoint_text(d->place).text : "");
	return peer;
}
