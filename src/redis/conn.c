/* SPDX-License-Identifier: MIT */
/*
 * Owns one wire to Redis, its decoder and the queue of commands that wait for replies.
 *
 *   DOWN ─▶ DIALING (─▶ SECURING) ─▶ HANDSHAKE ─▶ UP ─▶ DOWN …
 *
 * The socket is ours and only the parsing is hiredis': docs/architecture.md says why.
 *
 * Invariant: nothing happens to a connection inside the callbacks that it makes: a fault noticed
 * there is kept in `fault` and acted upon when the callback has returned.
 */
#include "redis/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/rng.h"
#include "core/backoff.h"
#include "redis/decoder.h"
#include "redis/dial.h"
#include "redis/fault.h"
#include "redis/handshake.h"
#include "redis/waiting.h"
#include "redis/wire.h"

enum { STABLE_AFTER_MS = 1000 };

/* SECURING: TLS is being agreed upon. */
enum conn_state { CONN_DOWN, CONN_DIALING, CONN_SECURING, CONN_HANDSHAKE, CONN_UP };

struct conn {
	struct conn_spec spec;
	char *client_name;
	enum conn_state state;
	struct dial dial;
	struct endpoint *to;         /* NULL: as configured */
	struct handshake *handshake; /* NULL but in HANDSHAKE */
	struct wire wire;
	ev_timer step; /* DOWN: when to try again; until UP: connect_timeout */
	struct decoder *decoder;
	struct waiting waiting;
	struct backoff backoff;
	struct deferred flush, drop;
	struct fault *fault; /* to be dropped for this reason; NULL: none */
	struct fault_log fault_log;
	bool has_tried;
	bool is_hushed;     /* it goes up and down for one reason: that is said now and then */
	bool is_heard;      /* the server has sent something over this connection */
	uint64_t client_id; /* 0: not known */
	uint64_t up_at_ms;
	uint64_t n_losses;
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

/* ---- going down ---- */

static void close_socket(struct conn *c)
{
	dial_stop(&c->dial);
	wire_close(&c->wire);
	ev_timer_stop(loop_ev(loop_of(c)), &c->step);
	waiting_unwatch(&c->waiting);
	loop_undefer(loop_of(c), &c->flush);
	loop_undefer(loop_of(c), &c->drop);
	decoder_free(c->decoder);
	c->decoder = NULL;
}

static bool was_stable(const struct conn *c)
{
	return c->state == CONN_UP && loop_now_ms(loop_of(c)) - c->up_at_ms >= STABLE_AFTER_MS;
}

static void log_going_down(struct conn *c, bool was_up)
{
	struct log_fields fields = log_fields_of(c);

	if (was_stable(c))
		c->fault_log.limit = (struct log_limit){ 0 };
	if (!fault_log_pass(&c->fault_log, c->fault, loop_now_ms(loop_of(c)))) {
		c->is_hushed = was_up;
		return;
	}
	c->is_hushed = false;
	log_event(c->fault->needs_person ? LEVEL_ERROR : LEVEL_WARNING,
	    was_up ? EVENT_DISCONNECTED : EVENT_REDIS_ERROR, &fields, "%s %s: %s",
	    was_up ? "lost the connection to" : "cannot connect to",
	    dial_peer(&c->dial, c->spec.peer).text, c->fault->why);
}

static uint64_t next_delay_ms(struct conn *c)
{
	struct rng rng = { ++c->spec.host->dice };

	return backoff_next_ms(&c->backoff, rng_next(&rng));
}

static void end_handshake(struct conn *c)
{
	handshake_free(c->handshake);
	c->handshake = NULL;
}

static void go_down(struct conn *c)
{
	bool was_up = c->state == CONN_UP;

	log_going_down(c, was_up);
	close_socket(c);
	c->has_tried = true;
	c->n_losses += was_up;
	if (was_stable(c))
		backoff_reset(&c->backoff);
	c->state = CONN_DOWN;
	if (c->fault->needs_person)
		backoff_to_max(&c->backoff);
	free(c->fault);
	c->fault = NULL;
	loop_timer_in(loop_of(c), &c->step, next_delay_ms(c));
	waiting_fail(&c->waiting);
	end_handshake(c);
	if (was_up)
		c->spec.on_down(c->spec.owner);
}

static void fail(void *owner, const char *why)
{
	struct conn *c = owner;

	fault_set(fault_at(&c->fault), "%s", why);
	go_down(c);
}

static void on_drop(struct deferred *d)
{
	go_down(container_of(d, struct conn, drop));
}

/* Redis with TLS resets a connection that begins without, and says nothing. */
static bool seems_to_want_tls(const struct conn *c)
{
	const struct redisurl *url = &settings_of(c)->url;

	return c->state == CONN_HANDSHAKE && !c->is_heard && !url->tls && !url->socket_path;
}

/* During the handshake the server may have said why before it closed the connection. */
static void on_broken(void *owner, const struct fault *fault)
{
	struct conn *c = owner;

	if (c->state == CONN_HANDSHAKE && c->handshake->fault)
		fault_take(fault_at(&c->fault), c->handshake->fault);
	else if (seems_to_want_tls(c))
		fault_set(fault_at(&c->fault), "%s before any answer: a port with TLS needs %s",
		    fault->why, c->spec.tls_switch);
	else
		fault_take(fault_at(&c->fault), fault);
	go_down(c);
}

static void on_flush(struct deferred *d)
{
	wire_flush(&container_of(d, struct conn, flush)->wire);
}

/* ---- coming up ---- */

static void on_handshake_done(struct conn *c)
{
	struct log_fields fields = log_fields_of(c);

	if (c->handshake->fault) {
		fault_take(fault_at(&c->fault), c->handshake->fault);
		return;
	}
	c->client_id = c->handshake->client_id;
	end_handshake(c);
	waiting_shrink(&c->waiting);
	c->state = CONN_UP;
	c->has_tried = true;
	c->up_at_ms = loop_now_ms(loop_of(c));
	ev_timer_stop(loop_ev(loop_of(c)), &c->step);
	log_event(c->is_hushed ? LEVEL_DEBUG : LEVEL_INFO, EVENT_CONNECTED, &fields,
	    "connected to %s", conn_peer(c).text);
	dial_arrived(&c->dial);
	c->spec.on_up(c->spec.owner);
}

static void on_secure(void *owner)
{
	struct conn *c = owner;

	c->state = CONN_HANDSHAKE;
	c->is_heard = false;
	c->client_id = 0;
	c->handshake = handshake_new(c, c->spec.host, on_handshake_done);
	if (handshake_start(c->handshake, c->client_name)) {
		fault_take(fault_at(&c->fault), c->handshake->fault);
		go_down(c);
	}
}

static void secure(struct conn *c, int fd)
{
	struct tls_spec spec = { .context = &c->spec.host->tls,
		.settings = &settings_of(c)->tls,
		.host = c->dial.host };

	c->state = CONN_SECURING;
	wire_open_tls(&c->wire, fd, &spec);
}

static void on_connected(void *owner, int fd)
{
	struct conn *c = owner;

	c->decoder = decoder_new(&c->spec.host->decoders);
	if (settings_of(c)->url.tls) {
		secure(c, fd);
	} else {
		wire_open(&c->wire, fd);
		on_secure(c);
	}
}

static void set_timed_out(struct conn *c)
{
	unsigned long long ms = settings_of(c)->connect_timeout_ms;

	if (c->state == CONN_SECURING)
		fault_set(fault_at(&c->fault),
		    "no answer to the TLS handshake within %llu ms: is it a port without TLS?", ms);
	else
		fault_set(fault_at(&c->fault), "timed out after %llu ms", ms);
}

/* What failed has failed elsewhere: the place to connect to now is tried soon. */
static void on_moved(void *owner, const char *why)
{
	struct conn *c = owner;

	backoff_reset(&c->backoff);
	if (c->state != CONN_DOWN)
		conn_drop(c, why);
	else if (ev_is_active(&c->step))
		loop_timer_in(loop_of(c), &c->step, next_delay_ms(c));
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
	set_timed_out(c);
	go_down(c);
}

static void on_overdue(void *owner)
{
	fail(owner, "no reply in time");
}

/* ---- reading ---- */

/* Hands out the replies that are whole. 0, or -EPROTO; a fault is set then, or by a callback. */
static int dispatch(struct conn *c)
{
	for (;;) {
		const struct reply *r;
		struct waiting_command command;

		if (decoder_next(c->decoder, &r))
			return -EPROTO;
		if (!r)
			break;
		if (!c->waiting.len && c->spec.on_push) {
			c->spec.on_push(c->spec.owner, r);
			decoder_release(c->decoder);
			continue;
		}
		if (!c->waiting.len) {
			/* Said without being asked: "max number of clients reached", for one. */
			fault_set(fault_at(&c->fault), "%.*s", (int)reply_text(r).len,
			    reply_text(r).data);
			return -EPROTO;
		}
		command = waiting_pop(&c->waiting);
		command.on_reply(command.owner, command.request, r);
		decoder_release(c->decoder);
		if (c->fault)
			return -EPROTO;
	}
	waiting_watch(&c->waiting);
	return 0;
}

/* A server that speaks TLS answers with an alert: type 21, version 3. */
static void set_protocol_fault(struct conn *c, const char *bytes, size_t len)
{
	if (c->state == CONN_HANDSHAKE && len > 1 && bytes[0] == 21 && bytes[1] == 3)
		fault_set_lasting(fault_at(&c->fault),
		    "the server speaks TLS: the URL must begin with rediss://");
	else
		fault_set(fault_at(&c->fault), "what the server sent is no Redis protocol");
}

static bool on_bytes(void *owner, const char *bytes, size_t len)
{
	struct conn *c = owner;

	c->is_heard = true;
	if (decoder_feed(c->decoder, bytes, len) == 0 && dispatch(c) == 0)
		return true;
	set_protocol_fault(c, bytes, len);
	go_down(c);
	return false;
}

/* ---- public ---- */

struct conn *conn_new(const struct conn_spec *spec)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	struct redis_host *host = spec->host;

	c->spec = *spec;
	if (!c->spec.peer)
		c->spec.peer = "Redis";
	if (!c->spec.tls_switch)
		c->spec.tls_switch = "rediss://";
	c->client_name = xstrdup(spec->client_name);
	c->backoff = (struct backoff){ .initial_ms = host->settings->reconnect_initial_ms,
		.max_ms = host->settings->reconnect_max_ms };
	c->dial = (struct dial){ .loop = host->loop,
		.resolver = host->resolver,
		.settings = host->settings,
		.sentinels = host->sentinels,
		.owner = c,
		.on_connected = on_connected,
		.on_failed = fail,
		.on_moved = on_moved };
	dial_init(&c->dial);
	c->wire = (struct wire){ .loop = host->loop,
		.owner = c,
		.on_secure = on_secure,
		.on_bytes = on_bytes,
		.on_broken = on_broken,
		.spare_out = &host->spare_out };
	wire_init(&c->wire);
	c->waiting = (struct waiting){ .loop = host->loop, .owner = c, .on_overdue = on_overdue };
	waiting_init(&c->waiting);
	c->flush.run = on_flush;
	c->drop.run = on_drop;
	ev_init(&c->step, on_step);
	c->step.data = c;
	return c;
}

void conn_go_to(struct conn *c, const struct endpoint *to)
{
	if (endpoint_is_same(c->to, to))
		return;
	dial_stop(&c->dial); /* it has borrowed the former host */
	free(c->to);
	c->to = to ? xmemdup(to, sizeof(*to)) : NULL;
	on_moved(c, "its stream has moved to another server");
}

void conn_open(struct conn *c)
{
	assert(c->state == CONN_DOWN);
	loop_timer_in(loop_of(c), &c->step, 0);
}

bool conn_is_up(const struct conn *c)
{
	return c->state == CONN_UP && !c->fault;
}

bool conn_has_tried(const struct conn *c)
{
	return c->has_tried;
}

struct buf *conn_out(struct conn *c)
{
	return wire_out(&c->wire);
}

void conn_expect(struct conn *c, uint64_t within_ms, reply_fn *on_reply, void *owner, void *request)
{
	waiting_push(&c->waiting, (struct waiting_command){ .on_reply = on_reply,
	                              .owner = owner,
	                              .request = request,
	                              .deadline_at_ms = loop_now_ms(loop_of(c)) + within_ms });
	loop_defer(loop_of(c), &c->flush);
	waiting_watch(&c->waiting);
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
	return c->client_id;
}

void conn_drop(struct conn *c, const char *why)
{
	if (c->state == CONN_DOWN)
		return;
	fault_set(fault_at(&c->fault), "%s", why);
	loop_defer(loop_of(c), &c->drop);
}

void conn_drop_for_long(struct conn *c, const char *why)
{
	if (c->state != CONN_DOWN)
		fault_set_lasting(fault_at(&c->fault), "%s", why);
	conn_drop(c, why);
}

void conn_denied(struct conn *c)
{
	dial_denied(&c->dial);
}

struct dial_peer conn_peer(const struct conn *c)
{
	return dial_peer(&c->dial, c->spec.peer);
}

const char *conn_last_fault(const struct conn *c)
{
	return c->fault_log.last ? c->fault_log.last : "";
}

uint64_t conn_n_losses(const struct conn *c)
{
	return c->n_losses;
}

void conn_close(struct conn *c)
{
	close_socket(c);
	c->state = CONN_DOWN;
	waiting_fail(&c->waiting);
	end_handshake(c);
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	conn_close(c);
	dial_done(&c->dial);
	waiting_done(&c->waiting);
	free(c->fault);
	fault_log_done(&c->fault_log);
	free(c->client_name);
	free(c->to);
	free(c);
}
