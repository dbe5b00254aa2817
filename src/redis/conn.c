/* SPDX-License-Identifier: MIT */
/*
 * Owns one socket, its output, its decoder and the queue of commands that wait for replies.
 *
 *   DOWN ─▶ DIALING ─▶ HANDSHAKE ─▶ UP ─▶ DOWN …
 *
 * The socket is ours and only the parsing is hiredis': its asynchronous context frees itself under
 * its caller's feet in connect callbacks (0.14, 1.0), resolves names by blocking, leaves sockets
 * open across exec (before 1.4), has no connect timeout in 0.14 and reads 16 KiB a turn.
 *
 * Invariant: nothing happens to a connection inside the callbacks that it makes: a fault noticed
 * there is kept in `fault` and acted upon when the callback has returned.
 */
#include "redis/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/rng.h"
#include "core/backoff.h"
#include "redis/decoder.h"
#include "redis/dial.h"
#include "redis/handshake.h"
#include "redis/waiting.h"

enum {
	READS_PER_TURN = 4, /* of LOOP_SCRATCH_BYTES: other connections get their turn */
	STABLE_AFTER_MS = 1000,
	REPEAT_LOG_MS = 30000,
	FAULT_SIZE = 300,
};

enum conn_state { CONN_DOWN, CONN_DIALING, CONN_HANDSHAKE, CONN_UP };

struct conn {
	struct conn_spec spec;
	char *client_name;
	enum conn_state state;
	struct dial dial;
	const struct endpoint *to; /* NULL: as configured */
	struct handshake handshake;
	int fd;
	ev_io readable, writable;
	ev_timer step;    /* DOWN: when to try again; until UP: connect_timeout */
	ev_timer overdue; /* looks at the oldest pending command */
	uint64_t overdue_at_ms;
	struct buf out;
	struct decoder *decoder;
	struct waiting waiting;
	struct backoff backoff;
	struct deferred flush, drop;
	char fault[FAULT_SIZE]; /* not empty: to be dropped for this reason */
	bool needs_person;      /* the fault is one that only a person can mend */
	bool has_tried;
	uint64_t up_at_ms;
	uint64_t n_losses;
	struct log_limit log_limit;
	char logged[FAULT_SIZE]; /* the fault that was logged last */
};

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

/* The socket is dead. During the handshake the server may have said why before it closed it. */
static void set_socket_fault(struct conn *c, const char *why)
{
	if (c->state == CONN_HANDSHAKE && c->handshake.why[0]) {
		c->needs_person = c->handshake.needs_person;
		why = c->handshake.why;
	}
	set_fault(c, "%s", why);
}

/* ---- commands without a reply ---- */

/* The timer is moved only when it would fire too late: with one that fires early, a command costs
 * no timer. */
static void watch_oldest(struct conn *c)
{
	uint64_t now_ms = loop_now_ms(loop_of(c));
	uint64_t at_ms;

	if (!c->waiting.len)
		return;
	at_ms = waiting_oldest(&c->waiting)->deadline_at_ms;
	if (ev_is_active(&c->overdue) && c->overdue_at_ms <= at_ms)
		return;
	c->overdue_at_ms = at_ms;
	loop_timer_in(loop_of(c), &c->overdue, at_ms > now_ms ? at_ms - now_ms : 0);
}

/* ---- going down ---- */

static void close_socket(struct conn *c)
{
	struct ev_loop *ev = loop_ev(loop_of(c));

	dial_stop(&c->dial);
	ev_io_stop(ev, &c->readable);
	ev_io_stop(ev, &c->writable);
	ev_timer_stop(ev, &c->step);
	ev_timer_stop(ev, &c->overdue);
	loop_undefer(loop_of(c), &c->flush);
	loop_undefer(loop_of(c), &c->drop);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	decoder_free(c->decoder);
	c->decoder = NULL;
	buf_done(&c->out);
}

static void answer_all_with_null(struct conn *c)
{
	size_t n = c->waiting.len;

	while (n--) {
		struct waiting_command command = waiting_pop(&c->waiting);

		command.on_reply(command.owner, command.request, NULL);
	}
}

static void log_going_down(struct conn *c, bool was_up)
{
	uint64_t held_back;
	struct log_fields fields = log_fields_of(c);

	if (was_up || strcmp(c->fault, c->logged) != 0)
		c->log_limit = (struct log_limit){ 0 };
	if (!log_limit_pass(&c->log_limit, loop_now_ms(loop_of(c)), REPEAT_LOG_MS, &held_back))
		return;
	memcpy(c->logged, c->fault, sizeof(c->logged));
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
	c->has_tried = true;
	c->n_losses += was_up;
	if (was_up && loop_now_ms(loop_of(c)) - c->up_at_ms >= STABLE_AFTER_MS)
		backoff_reset(&c->backoff);
	if (c->needs_person)
		backoff_to_max(&c->backoff);
	c->fault[0] = '\0';
	c->needs_person = false;
	loop_timer_in(loop_of(c), &c->step, backoff_next_ms(&c->backoff, rng_next(&rng)));
	answer_all_with_null(c);
	if (was_up)
		c->spec.on_down(c->spec.owner);
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
			set_socket_fault(c, strerror(errno));
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

/* ---- coming up ---- */

static void on_handshake_done(struct conn *c)
{
	struct log_fields fields = log_fields_of(c);

	if (c->handshake.why[0]) {
		c->needs_person = c->handshake.needs_person;
		set_fault(c, "%s", c->handshake.why);
		return;
	}
	c->state = CONN_UP;
	c->has_tried = true;
	c->up_at_ms = loop_now_ms(loop_of(c));
	ev_timer_stop(loop_ev(loop_of(c)), &c->step);
	log_event(LEVEL_INFO, EVENT_CONNECTED, &fields, "connected to Redis");
	c->spec.on_up(c->spec.owner);
}

static void on_connected(void *owner, int fd)
{
	struct conn *c = owner;

	c->state = CONN_HANDSHAKE;
	c->fd = fd;
	c->decoder = decoder_new(&c->spec.host->arena_cache);
	ev_io_set(&c->readable, fd, EV_READ);
	ev_io_set(&c->writable, fd, EV_WRITE);
	ev_io_start(loop_ev(loop_of(c)), &c->readable);
	if (handshake_start(&c->handshake, settings_of(c), c->client_name)) {
		c->needs_person = c->handshake.needs_person;
		set_fault(c, "%s", c->handshake.why);
		go_down(c);
	}
}

static void on_dial_failed(void *owner, const char *why)
{
	set_fault(owner, "%s", why);
	go_down(owner);
}

static void on_step(struct ev_loop *ev, ev_timer *w, int events)
{
	struct conn *c = w->data;

	(void)ev;
	(void)events;
	if (c->state == CONN_DOWN) {
		c->state = CONN_DIALING;
		loop_timer_in(loop_of(c), &c->step, settings_of(c)->connect_timeout_ms);
		dial_start(&c->dial, c->to);
		return;
	}
	set_fault(c, "timed out after %llu ms",
	    (unsigned long long)settings_of(c)->connect_timeout_ms);
	go_down(c);
}

static void on_overdue(struct ev_loop *ev, ev_timer *w, int events)
{
	struct conn *c = w->data;
	const struct waiting_command *oldest = waiting_oldest(&c->waiting);

	(void)ev;
	(void)events;

	if (oldest && loop_now_ms(loop_of(c)) >= oldest->deadline_at_ms) {
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
		struct waiting_command command;

		if (decoder_next(c->decoder, &r)) {
			set_fault(c, "what the server sent is no Redis protocol");
			return -EPROTO;
		}
		if (!r)
			break;
		if (!c->waiting.len) {
			/* Said without being asked: "max number of clients reached", for one. */
			set_fault(c, "%.*s", (int)reply_text(r).len, reply_text(r).data);
			return -EPROTO;
		}
		command = waiting_pop(&c->waiting);
		command.on_reply(command.owner, command.request, r);
		decoder_release(c->decoder);
		if (c->fault[0])
			return -EPROTO;
	}
	watch_oldest(c);
	return 0;
}

/* Bytes taken in, 0 when there is nothing to read now, or -1 with the fault set. */
static ssize_t read_some(struct conn *c)
{
	char *scratch = loop_scratch(loop_of(c));
	ssize_t n = recv(c->fd, scratch, LOOP_SCRATCH_BYTES, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0) {
		set_socket_fault(c, strerror(errno));
		return -1;
	}
	if (n == 0) {
		set_socket_fault(c, "closed by the server");
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
	(void)ev;
	(void)events;
	flush(w->data);
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
	c->dial = (struct dial){ .loop = spec->host->loop,
		.resolver = spec->host->resolver,
		.settings = s,
		.owner = c,
		.on_connected = on_connected,
		.on_failed = on_dial_failed };
	dial_init(&c->dial);
	c->handshake = (struct handshake){ .conn = c, .on_done = on_handshake_done };
	c->flush.run = on_flush;
	c->drop.run = on_drop;
	ev_init(&c->readable, on_readable);
	ev_init(&c->writable, on_writable);
	ev_init(&c->step, on_step);
	ev_init(&c->overdue, on_overdue);
	c->readable.data = c->writable.data = c->step.data = c->overdue.data = c;
	return c;
}

static bool is_same_place(const struct endpoint *a, const struct endpoint *b)
{
	return a && b ? endpoint_equals(a, b) : a == b;
}

void conn_go_to(struct conn *c, const struct endpoint *to)
{
	bool same = is_same_place(c->to, to);

	c->to = to;
	if (!same)
		conn_drop(c, "its stream has moved to another server");
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

bool conn_has_tried(const struct conn *c)
{
	return c->has_tried;
}

struct buf *conn_out(struct conn *c)
{
	return &c->out;
}

void conn_expect(struct conn *c, uint64_t within_ms, reply_fn *on_reply, void *owner, void *request)
{
	waiting_push(&c->waiting, (struct waiting_command){ .on_reply = on_reply,
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

void conn_abandon(struct conn *c, const void *owner)
{
	waiting_abandon(&c->waiting, owner);
}

size_t conn_n_pending(const struct conn *c)
{
	return c->waiting.len;
}

uint64_t conn_client_id(const struct conn *c)
{
	return c->handshake.client_id;
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
	if (c->state == CONN_DOWN)
		return;
	c->needs_person = true;
	conn_drop(c, why);
}

uint64_t conn_n_losses(const struct conn *c)
{
	return c->n_losses;
}

void conn_close(struct conn *c)
{
	close_socket(c);
	c->state = CONN_DOWN;
	answer_all_with_null(c);
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	conn_close(c);
	waiting_done(&c->waiting);
	free(c->client_name);
	free(c);
}
