/* SPDX-License-Identifier: MIT */
/*
 * Keeps a stream from growing, as `trim` says. On a timer a round begins with the lock, which one
 * daemon of the group gets in each interval, and goes on in steps, each with a pause three times as
 * long as itself, until nothing is left to remove or the interval is over. Nobody waits for it, and
 * no trouble with it keeps the consumer from its work.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "consumer/stream.h"
#include "core/slot.h"
#include "redis/command.h"

enum { LOST_LOG_MS = 10 * 60 * 1000 };

static const struct trim_settings *settings_of(const struct stream *s)
{
	return &s->consumer->settings->trim;
}

static bool is_on(const struct stream *s)
{
	const struct trim_settings *t = settings_of(s);

	return t->maxlen || t->max_age_ms || t->acknowledged;
}

static void again_in(struct stream *s, uint64_t delay_ms)
{
	if (is_on(s))
		loop_timer_in(stream_loop(s), &s->retention.timer, delay_ms);
}

/* The lock is held for an interval: a little longer, and it is free again. */
static void round_over(struct stream *s)
{
	uint64_t interval_ms = settings_of(s)->interval_ms;
	struct log_fields fields = stream_log_fields(s);

	if (s->retention.n_removed)
		log_event(LEVEL_DEBUG, EVENT_TRIMMED, &fields, "trim: %" PRIu64 " entries removed",
		    s->retention.n_removed);
	s->retention.until_ms = s->retention.n_removed = 0;
	again_in(s, interval_ms + rng_between(&s->consumer->host->rng, 1, interval_ms / 10));
}

/* ---- replies ---- */

static void say_lost(struct stream *s, struct slice group)
{
	struct log_fields fields = stream_log_fields(s);
	uint64_t held_back;

	if (group.len &&
	    log_limit_pass(&s->retention.lost_log, stream_now_ms(s), LOST_LOG_MS, &held_back))
		log_event(LEVEL_WARNING, EVENT_TRIMMED, &fields,
		    "%s has removed entries that the group \"%.*s\" had still to read or to "
		    "acknowledge",
		    settings_of(s)->maxlen ? "trim.maxlen" : "trim.max_age", (int)group.len,
		    group.data);
}

static void step_done(struct stream *s, const struct reply *r)
{
	struct retention *t = &s->retention;
	uint64_t now_ms = stream_now_ms(s);
	const struct reply *removed = reply_at(r, 1);
	uint64_t n = removed && removed->type == REPLY_INTEGER ? (uint64_t)removed->integer : 0;

	s->consumer->stats.retention_removed += n;
	t->n_removed += n;
	say_lost(s, reply_text(reply_at(r, 2)));
	if (n && now_ms < t->until_ms)
		again_in(s, sweep_long_pause_ms(now_ms - t->asked_at_ms));
	else
		round_over(s);
}

static void on_trim_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	s->retention.asked = false;
	if (!r)
		return;
	if (!reply_is_error(r))
		step_done(s, r);
	else if (stream_redis_error(s, "trimming the stream", r) == REDIS_NOSCRIPT)
		again_in(s, 0);
	else
		round_over(s);
}

/* ---- requests ---- */

static void append_what(struct stream *s, struct buf *out)
{
	const struct trim_settings *t = settings_of(s);

	if (t->acknowledged) {
		command_text(out, "acknowledged");
		command_text(out, "");
		return;
	}
	command_text(out, t->maxlen ? "maxlen" : "age");
	command_u64(out, t->maxlen ? t->maxlen : t->max_age_ms);
}

static void send_step(struct stream *s)
{
	struct retention *t = &s->retention;
	bool begins = !t->until_ms;
	struct buf *out = home_script(&s->home, SCRIPT_TRIM, begins ? 2 : 1, 6);

	command_text(out, s->name);
	if (begins)
		command_text(out, t->lock);
	command_text(out, s->origin.group);
	command_text(out, s->origin.consumer);
	command_u64(out, settings_of(s)->interval_ms);
	append_what(s, out);
	command_text(out, "");
	t->asked = true;
	t->asked_at_ms = stream_now_ms(s);
	if (begins)
		t->until_ms = t->asked_at_ms + settings_of(s)->interval_ms;
	home_expect(&s->home, on_trim_reply, NULL);
}

static void say_off(struct stream *s)
{
	struct log_fields fields = stream_log_fields(s);

	if (!s->retention.said_off)
		log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, &fields,
		    "trim is off: it needs scripts, which the server refuses");
	s->retention.said_off = true;
}

static bool may_trim(const struct stream *s)
{
	return home_is_up(&s->home) && s->group.state == GROUP_READY && name_check_is_over(s) &&
	       !consumer_is_halted(s->consumer);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
	struct stream *s = w->data;

	(void)ev;
	(void)events;
	if (s->retention.asked)
		return;
	if (!may_trim(s)) {
		round_over(s);
	} else if (!home_may_script(&s->home)) {
		say_off(s);
		round_over(s);
	} else {
		send_step(s);
	}
}

/* ---- life ---- */

/* Streams of one consumer, and daemons that start together, take their turns at different times. */
void retention_start(struct stream *s)
{
	retention_stop(s);
	again_in(s, rng_between(&s->consumer->host->rng, 0, settings_of(s)->interval_ms));
}

void retention_stop(struct stream *s)
{
	ev_timer_stop(loop_ev(stream_loop(s)), &s->retention.timer);
	s->retention.asked = false;
	s->retention.until_ms = s->retention.n_removed = 0;
}

void retention_init(struct stream *s)
{
	const struct consumer *c = s->consumer;
	char *suffix = xasprintf(":trim:%s", c->group);

	s->retention.lock =
	    slot_key_beside(s->name, suffix, keyspace_is_cluster(c->host->keyspace));
	free(suffix);
	ev_init(&s->retention.timer, on_timer);
	s->retention.timer.data = s;
}

void retention_done(struct stream *s)
{
	retention_stop(s);
	free(s->retention.lock);
}
