/* SPDX-License-Identifier: MIT */
/*
 * Owns one socket, its output, its decoder and the queue of commands that wait for replies.
 *
 *   DOWN ─▶ RESOLVING ─▶ CONNECTING ─▶ HANDSHAKE ─▶ UP ─▶ DOWN …
 *
 * The socket is ours and only the parsing is hiredis': its asynchronous context frees itself under
 * its caller's feet in connect callbacks (0.14, 1.0), resolves names by blocking, leaves sockets
 * open across exec (before 1.4), has no connect timeout in 0.14 and reads 16 KiB a turn.
 *
 * Invariant: outside of this file nothing happens to a connection inside its own callbacks: a fault
 * noticed there is kept in `fault` and acted upon when the callback has returned.
 */
#include "redis/conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "core/backoff.h"
#include "redis/command.h"
#include "redis/decoder.h"
#include "redis/secret.h"

enum {
	READS_PER_TURN = 4, /* of LOOP_SCRATCH_BYTES: other connections get their turn */
	STABLE_AFTER_MS = 1000,
	REPEAT_LOG_MS = 30000,
	FAULT_SIZE = 256,
};

enum conn_state { CONN_DOWN, CONN_RESOLVING, CONN_CONNECTING, CONN_HANDSHAKE, CONN_UP };

struct pending {
	reply_fn *on_reply;
	void *owner, *request;
	uint64_t deadline_at_ms;
};

struct conn {
	struct conn_spec spec;
	char *client_name;
	enum conn_state state;
	int fd;
	ev_io readable, writable;
	ev_timer step;    /* DOWN: when to try again; until UP: connect_timeout */
	ev_timer overdue; /* looks at the oldest pending command */
	struct buf out;
	struct decoder *decoder;
	struct pending *pending; /* ring */
	size_t pending_first, n_pending, pending_cap;
	struct resolution *resolution;
	struct address_list addresses;
	unsigned next_address;
	struct backoff backoff;
	struct deferred flush, drop;
	char fault[FAULT_SIZE]; /* not empty: to be dropped for this reason */
	bool needs_person;      /* the fault is one that only a person can mend */
	uint64_t client_id;
	uint64_t up_at_ms;
	uint64_t n_losses;
	struct log_limit log_limit;
};

static void try_address(struct conn *c);
static void begin(struct conn *c);

static struct loop *loop_of(const struct conn *c)
{
	return c->spec.host->loop;
}

static const struct redis_settings *settings_of(const struct conn *c)
{
	return c->spec.host->settings;
}

static struct log_fields log_fields_of(const struct conn *c)
{
	return (struct log_fields){ .consumer = c->spec.consumer, .stream = c->spec.stream };
}

static void set_fault(struct conn *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* The first fault is the cause; what follows from it is not reported. */
static void set_fault(struct conn *c, const char *format, ...)
{
	va_list args;

	if (c->fault[0])
		return;
	va_start(args, format);
	vsnprintf(c->fault, sizeof(c->fault), format, args);
	va_end(args);
}

/* ---- pending commands ---- */

static void pending_push(struct conn *c, struct pending p)
{
	if (c->n_pending == c->pending_cap) {
		size_t cap = c->pending_cap ? 2 * c->pending_cap : 8;
		struct pending *ring = xcalloc(cap, sizeof(*ring));

		for (size_t i = 0; i < c->n_pending; i++)
			ring[i] = c->pending[(c->pending_first + i) & (c->pending_cap - 1)];
		free(c->pending);
		c->pending = ring;
		c->pending_cap = cap;
		c->pending_first = 0;
	}
	c->pending[(c->pending_first + c->n_pending++) & (c->pending_cap - 1)] = p;
}

static struct pending pending_pop(struct conn *c)
{
	struct pending p = c->pending[c->pending_first];

	assert(c->n_pending > 0);
	c->pending_first = (c->pending_first + 1) & (c->pending_cap - 1);
	c->n_pending--;
	return p;
}

static void watch_oldest(struct conn *c)
{
	uint64_t now_ms = loop_now_ms(loop_of(c));
	uint64_t at_ms;

	if (!c->n_pending || ev_is_active(&c->overdue))
		return;
	at_ms = c->pending[c->pending_first].deadline_at_ms;
	loop_timer_in(loop_of(c), &c->overdue, at_ms > now_ms ? at_ms - now_ms : 0);
}

/* ---- going down ---- */

static void close_socket(struct conn *c)
{
	struct ev_loop *ev = loop_ev(loop_of(c));

	ev_io_stop(ev, &c->readable);
	ev_io_stop(ev, &c->writable);
	ev_timer_stop(ev, &c->step);
	ev_timer_stop(ev, &c->overdue);
	loop_undefer(loop_of(c), &c->flush);
	loop_undefer(loop_of(c), &c->drop);
	resolve_cancel(c->resolution);
	c->resolution = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	decoder_free(c->decoder);
	c->decoder = NULL;
	buf_done(&c->out);
	c->client_id = 0;
}

static void answer_pending_with_null(struct conn *c)
{
	size_t n = c->n_pending;

	while (n--) {
		struct pending p = pending_pop(c);

		p.on_reply(p.owner, p.request, NULL);
	}
}

static void log_going_down(struct conn *c, bool was_up)
{
	uint64_t held_back;
	struct log_fields fields = log_fields_of(c);

	if (was_up)
		c->log_limit = (struct log_limit){ 0 };
	if (!log_limit_pass(&c->log_limit, loop_now_ms(loop_of(c)), REPEAT_LOG_MS, &held_back))
		return;
	log_event(c->needs_person ? LEVEL_ERROR : LEVEL_WARNING,
	    was_up ? EVENT_DISCONNECTED : EVENT_REDIS_ERROR, &fields, "%s: %s",
	    was_up ? "lost the connection to Redis" : "cannot connect to Redis", c->fault);
}

static void go_down(struct conn *c)
{
	bool was_up = c->state == CONN_UP;
	struct redis_host *host = c->spec.host;
	struct rng rng = { ++host->dice };

	log_going_down(c, was_up);
	close_socket(c);
	c->state = CONN_DOWN;
	if (was_up) {
		c->n_losses++;
		if (loop_now_ms(loop_of(c)) - c->up_at_ms >= STABLE_AFTER_MS)
			backoff_reset(&c->backoff);
	}
	if (c->needs_person)
		backoff_to_max(&c->backoff);
	c->fault[0] = '\0';
	c->needs_person = false;
	loop_timer_in(loop_of(c), &c->step, backoff_next_ms(&c->backoff, rng_next(&rng)));
	answer_pending_with_null(c);
	if (was_up)
		c->spec.on_down(c->spec.owner);
}

/* The address at hand does not work: on to the next one, or down when there is none. */
static void address_failed(struct conn *c)
{
	if (c->state != CONN_CONNECTING || c->next_address >= c->addresses.len) {
		go_down(c);
		return;
	}
	close_socket(c);
	c->fault[0] = '\0';
	begin(c);
	try_address(c);
}

static void on_drop(struct deferred *d)
{
	go_down(container_of(d, struct conn, drop));
}

/* ---- writing ---- */

static void want_writable(struct conn *c, bool wanted)
{
	struct ev_loop *ev = loop_ev(loop_of(c));

	if (wanted && !ev_is_active(&c->writable))
		ev_io_start(ev, &c->writable);
	else if (!wanted)
		ev_io_stop(ev, &c->writable);
}

static void flush(struct conn *c)
{
	while (buf_len(&c->out)) {
		ssize_t n = send(c->fd, buf_data(&c->out), buf_len(&c->out), MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			set_fault(c, "%s", strerror(errno));
			go_down(c);
			return;
		}
		buf_consume(&c->out, (size_t)n);
	}
	want_writable(c, buf_len(&c->out) > 0);
}

static void on_flush(struct deferred *d)
{
	flush(container_of(d, struct conn, flush));
}

/* ---- handshake ---- */

/* Names and numbers are a service to operators: an ACL may refuse them. */
static void on_optional_reply(void *owner, void *request, const struct reply *r)
{
	(void)owner;
	(void)request;
	(void)r;
}

static void on_client_id_reply(void *owner, void *request, const struct reply *r)
{
	struct conn *c = owner;

	(void)request;
	if (r && r->type == REPLY_INTEGER)
		c->client_id = (uint64_t)r->integer;
}

static void refuse(struct conn *c, const char *what, struct slice text)
{
	c->needs_person = redis_error_class(text) == REDIS_AUTH;
	set_fault(c, "%s: %.*s", what, (int)text.len, text.data);
}

static void on_auth_reply(void *owner, void *request, const struct reply *r)
{
	(void)request;
	if (reply_is_error(r))
		refuse(owner, "AUTH", r->text);
}

static void on_select_reply(void *owner, void *request, const struct reply *r)
{
	(void)request;
	if (reply_is_error(r))
		refuse(owner, "SELECT", r->text);
}

static void on_ping_reply(void *owner, void *request, const struct reply *r)
{
	struct conn *c = owner;
	struct log_fields fields = log_fields_of(c);

	(void)request;
	if (!r)
		return;
	/* An ACL without PING is no reason not to work. */
	if (reply_is_error(r) && !(r->text.len > 6 && memcmp(r->text.data, "NOPERM", 6) == 0))
		refuse(c, "PING", r->text);
	if (c->fault[0])
		return;
	c->state = CONN_UP;
	c->up_at_ms = loop_now_ms(loop_of(c));
	ev_timer_stop(loop_ev(loop_of(c)), &c->step);
	log_event(LEVEL_INFO, EVENT_CONNECTED, &fields, "connected to Redis");
	c->spec.on_up(c->spec.owner);
}

static void send_auth(struct conn *c, const char *user, const char *password)
{
	if (user)
		command_words(&c->out, "AUTH", user, password, NULL);
	else
		command_words(&c->out, "AUTH", password, NULL);
	conn_expect(c, conn_patience_ms(c), on_auth_reply, c, NULL);
}

/* 0, or -errno with the fault set. */
static int authenticate(struct conn *c)
{
	const struct redis_settings *s = settings_of(c);
	const char *user = s->secret.username ? s->secret.username : s->url.user;
	char *password = NULL, *path = NULL;
	int r = secret_read(&s->secret, &password, &path);

	if (r) {
		c->needs_person = true;
		set_fault(c, "%s: %s", path, strerror(-r));
		free(path);
		return r;
	}
	if (password)
		send_auth(c, user, password);
	else if (s->url.password)
		send_auth(c, user, s->url.password);
	secret_free(password);
	return 0;
}

static void handshake(struct conn *c)
{
	const struct redis_settings *s = settings_of(c);

	c->state = CONN_HANDSHAKE;
	c->decoder = decoder_new(&c->spec.host->arena_cache);
	want_writable(c, false);
	ev_io_start(loop_ev(loop_of(c)), &c->readable);
	if (authenticate(c)) {
		go_down(c);
		return;
	}
	if (s->url.db) {
		command_open(&c->out, 2);
		command_text(&c->out, "SELECT");
		command_u64(&c->out, s->url.db);
		conn_expect(c, conn_patience_ms(c), on_select_reply, c, NULL);
	}
	command_words(&c->out, "CLIENT", "SETNAME", c->client_name, NULL);
	conn_expect(c, conn_patience_ms(c), on_optional_reply, c, NULL);
	command_words(&c->out, "CLIENT", "ID", NULL);
	conn_expect(c, conn_patience_ms(c), on_client_id_reply, c, NULL);
	command_words(&c->out, "PING", NULL);
	conn_expect(c, conn_patience_ms(c), on_ping_reply, c, NULL);
}

/* ---- connecting ---- */

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

static void try_address(struct conn *c)
{
	struct ev_loop *ev = loop_ev(loop_of(c));
	const struct address *a = &c->addresses.items[c->next_address++];

	c->state = CONN_CONNECTING;
	c->fd = socket(a->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0) {
		set_fault(c, "socket: %s", strerror(errno));
		address_failed(c);
		return;
	}
	if (a->family != AF_UNIX)
		tune_tcp(c->fd, settings_of(c)->keepalive_ms);
	ev_io_set(&c->readable, c->fd, EV_READ);
	ev_io_set(&c->writable, c->fd, EV_WRITE);
	if (connect(c->fd, (const struct sockaddr *)&a->storage, a->len) == 0) {
		handshake(c);
		return;
	}
	/* A full listen queue of a unix socket answers EAGAIN at once. */
	if (errno != EINPROGRESS) {
		set_fault(c, "%s", strerror(errno));
		address_failed(c);
		return;
	}
	ev_io_start(ev, &c->writable);
}

static void connect_done(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error) {
		handshake(c);
		return;
	}
	set_fault(c, "%s", strerror(error));
	address_failed(c);
}

static void on_resolved(void *owner, const struct address_list *list, const char *why)
{
	struct conn *c = owner;

	c->resolution = NULL;
	if (!list || !list->len) {
		set_fault(c, "%s: %s", settings_of(c)->url.host, why ? why : "no address");
		go_down(c);
		return;
	}
	c->addresses = *list;
	try_address(c);
}

static void unix_address(const char *path, struct address_list *ret_list)
{
	struct sockaddr_un *to = (struct sockaddr_un *)&ret_list->items[0].storage;

	*ret_list = (struct address_list){ .len = 1 };
	to->sun_family = AF_UNIX;
	snprintf(to->sun_path, sizeof(to->sun_path), "%s", path);
	ret_list->items[0].len = sizeof(*to);
	ret_list->items[0].family = AF_UNIX;
}

/* Starts the clock of one try. */
static void begin(struct conn *c)
{
	loop_timer_in(loop_of(c), &c->step, settings_of(c)->connect_timeout_ms);
}

static void start_try(struct conn *c)
{
	const struct redisurl *url = &settings_of(c)->url;

	begin(c);
	c->next_address = 0;
	if (url->socket_path) {
		unix_address(url->socket_path, &c->addresses);
		try_address(c);
	} else if (resolve_numeric(url->host, url->port, &c->addresses) == 0) {
		try_address(c);
	} else {
		c->state = CONN_RESOLVING;
		c->resolution =
		    resolve_start(c->spec.host->resolver, url->host, url->port, on_resolved, c);
	}
}

static void on_step(struct ev_loop *ev, ev_timer *w, int events)
{
	struct conn *c = w->data;

	(void)ev;
	(void)events;
	if (c->state == CONN_DOWN) {
		start_try(c);
		return;
	}
	set_fault(c, "timed out after %llu ms",
	    (unsigned long long)settings_of(c)->connect_timeout_ms);
	address_failed(c);
}

static void on_overdue(struct ev_loop *ev, ev_timer *w, int events)
{
	struct conn *c = w->data;

	(void)ev;
	(void)events;
	if (c->n_pending &&
	    loop_now_ms(loop_of(c)) >= c->pending[c->pending_first].deadline_at_ms) {
		set_fault(c, "no reply in time");
		go_down(c);
		return;
	}
	watch_oldest(c);
}

/* ---- reading ---- */

/* Hands out the replies that are whole. 0, or -EPROTO; a fault is set then, or by a callback. */
static int dispatch(struct conn *c)
{
	for (;;) {
		const struct reply *r;
		struct pending p;

		if (decoder_next(c->decoder, &r)) {
			set_fault(c, "what the server sent is no Redis protocol");
			return -EPROTO;
		}
		if (!r)
			return 0;
		if (!c->n_pending) {
			/* Said without being asked: "max number of clients reached", for one. */
			set_fault(c, "%.*s", (int)reply_text(r).len, reply_text(r).data);
			return -EPROTO;
		}
		p = pending_pop(c);
		p.on_reply(p.owner, p.request, r);
		decoder_release(c->decoder);
		if (c->fault[0])
			return -EPROTO;
	}
}

/* Bytes taken in, 0 when there is nothing to read now, or -1 with the fault set. */
static ssize_t read_some(struct conn *c)
{
	char *scratch = loop_scratch(loop_of(c));
	ssize_t n = recv(c->fd, scratch, LOOP_SCRATCH_BYTES, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0) {
		set_fault(c, "%s", strerror(errno));
		return -1;
	}
	if (n == 0) {
		set_fault(c, "closed by the server");
		return -1;
	}
	if (decoder_feed(c->decoder, scratch, (size_t)n) || dispatch(c)) {
		set_fault(c, "what the server sent is no Redis protocol");
		return -1;
	}
	return n;
}

static void on_readable(struct ev_loop *ev, ev_io *w, int events)
{
	struct conn *c = w->data;

	(void)ev;
	(void)events;
	for (int i = 0; i < READS_PER_TURN; i++) {
		ssize_t n = read_some(c);

		if (n < 0) {
			go_down(c);
			return;
		}
		if (n < LOOP_SCRATCH_BYTES)
			return;
	}
}

static void on_writable(struct ev_loop *ev, ev_io *w, int events)
{
	struct conn *c = w->data;

	(void)ev;
	(void)events;
	if (c->state == CONN_CONNECTING)
		connect_done(c);
	else
		flush(c);
}

/* ---- public ---- */

struct conn *conn_new(const struct conn_spec *spec)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	const struct redis_settings *s = spec->host->settings;

	c->spec = *spec;
	c->client_name = xstrdup(spec->client_name);
	c->fd = -1;
	c->backoff = (struct backoff){ .initial_ms = s->reconnect_initial_ms,
		.max_ms = s->reconnect_max_ms };
	c->flush.run = on_flush;
	c->drop.run = on_drop;
	ev_init(&c->readable, on_readable);
	ev_init(&c->writable, on_writable);
	ev_init(&c->step, on_step);
	ev_init(&c->overdue, on_overdue);
	c->readable.data = c->writable.data = c->step.data = c->overdue.data = c;
	return c;
}

void conn_open(struct conn *c)
{
	assert(c->state == CONN_DOWN);
	loop_timer_in(loop_of(c), &c->step, 0);
}

bool conn_is_up(const struct conn *c)
{
	return c->state == CONN_UP && !c->fault[0];
}

struct buf *conn_out(struct conn *c)
{
	return &c->out;
}

void conn_expect(struct conn *c, uint64_t within_ms, reply_fn *on_reply, void *owner, void *request)
{
	pending_push(c, (struct pending){ .on_reply = on_reply,
	                    .owner = owner,
	                    .request = request,
	                    .deadline_at_ms = loop_now_ms(loop_of(c)) + within_ms });
	loop_defer(loop_of(c), &c->flush);
	watch_oldest(c);
}

uint64_t conn_patience_ms(const struct conn *c)
{
	return 2 * settings_of(c)->keepalive_ms;
}

size_t conn_n_pending(const struct conn *c)
{
	return c->n_pending;
}

uint64_t conn_client_id(const struct conn *c)
{
	return c->client_id;
}

void conn_drop(struct conn *c, const char *why)
{
	if (c->state == CONN_DOWN)
		return;
	set_fault(c, "%s", why);
	loop_defer(loop_of(c), &c->drop);
}

void conn_drop_for_long(struct conn *c, const char *why)
{
	c->needs_person = true;
	conn_drop(c, why);
}

uint64_t conn_n_losses(const struct conn *c)
{
	return c->n_losses;
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	close_socket(c);
	c->state = CONN_DOWN;
	answer_pending_with_null(c);
	free(c->pending);
	free(c->client_name);
	free(c);
}
