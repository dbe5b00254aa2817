/* SPDX-License-Identifier: MIT */
/*
 * Makes sure, before anything is taken up, that nobody else works under our consumer name: two
 * daemons with one name would take each other's running entries for their own, left over. The lock
 * of the runtime directory sees to this host; elsewhere a living reader shows by its idle time,
 * which every XREADGROUP sets back to 0 and which therefore stays below read.block.
 *
 * Where it is refreshed while we watch, the stream is left alone until it no longer is.
 */
#include "consumer/stream.h"
#include "redis/command.h"

enum { MARGIN_MS = 1000, CLOCK_SLACK_MS = 200 };

static uint64_t alive_within_ms(const struct stream *s)
{
	return s->consumer->settings->read.block_ms + MARGIN_MS;
}

/* The value of a field in a flat list of names and values. */
static const struct reply *field(const struct reply *row, const char *name)
{
	for (size_t i = 0; i + 1 < reply_len(row); i += 2) {
		if (slice_is(reply_text(reply_at(row, i)), name))
			return reply_at(row, i + 1);
	}
	return NULL;
}

/* For how long nobody has shown up under our name; UINT64_MAX when nobody ever has. */
static uint64_t idle_of_name_ms(const struct stream *s, const struct reply *rows)
{
	for (size_t i = 0; i < reply_len(rows); i++) {
		const struct reply *row = reply_at(rows, i);
		int64_t idle = reply_integer(field(row, "idle"));

		if (slice_is(reply_text(field(row, "name")), s->origin.consumer))
			return idle < 0 ? 0 : (uint64_t)idle;
	}
	return UINT64_MAX;
}

static void is_ours(struct stream *s)
{
	struct log_fields fields = stream_log_fields(s);

	if (s->name_check.state == NAME_IN_USE)
		log_event(LEVEL_NOTICE, EVENT_RESUMED, &fields,
		    "nobody else is %s any more: the stream is read", s->origin.consumer);
	s->name_check.state = NAME_OURS;
	recovery_start(s);
}

static void is_in_use(struct stream *s)
{
	struct log_fields fields = stream_log_fields(s);

	if (s->name_check.state != NAME_IN_USE)
		log_event(LEVEL_ERROR, EVENT_NAME_IN_USE, &fields,
		    "another daemon is at work as %s: the stream is not read here; give one of "
		    "them "
		    "another consumer name or instance",
		    s->origin.consumer);
	s->name_check.state = NAME_IN_USE;
}

static void watch(struct stream *s)
{
	s->name_check.seen_at_ms = stream_now_ms(s);
	loop_timer_in(stream_loop(s), &s->name_check.timer, alive_within_ms(s));
}

/* It was seen before, so long ago: has it shown up since? */
static void compare(struct stream *s, uint64_t idle_ms)
{
	uint64_t watched_ms = stream_now_ms(s) - s->name_check.seen_at_ms;

	if (idle_ms + CLOCK_SLACK_MS >= watched_ms) {
		is_ours(s);
		return;
	}
	is_in_use(s);
	watch(s);
}

/* Where an ACL refuses the question, or the server does not know it, nobody can tell. What it
 * cannot say just now it is asked again. */
static void refused(struct stream *s, enum redis_error class)
{
	if (class == REDIS_AUTH || class == REDIS_UNSUPPORTED || class == REDIS_UNKNOWN)
		is_ours(s);
	else if (class != REDIS_NOGROUP)
		loop_timer_in(stream_loop(s), &s->name_check.timer, MARGIN_MS);
}

static void on_consumers_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	uint64_t idle_ms;

	(void)request;
	if (!r)
		return;
	if (reply_is_error(r)) {
		refused(s, stream_redis_error(s, "XINFO CONSUMERS", r));
		return;
	}
	probe_learn(s, ABILITY_INACTIVE, reply_at(r, 0), "inactive");
	idle_ms = idle_of_name_ms(s, r);
	if (s->name_check.state != NAME_UNKNOWN) {
		compare(s, idle_ms);
	} else if (idle_ms >= alive_within_ms(s)) {
		is_ours(s);
	} else {
		s->name_check.state = NAME_WATCHED;
		watch(s);
	}
}

static void ask(struct stream *s)
{
	if (!home_is_up(&s->home) || s->consumer->draining)
		return;
	command_words(home_out(&s->home), "XINFO", "CONSUMERS", s->name, s->origin.group, NULL);
	home_expect(&s->home, on_consumers_reply, NULL);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	ask(w->data);
}

bool name_check_is_over(const struct stream *s)
{
	return s->name_check.state == NAME_OURS;
}

/* What a server tells of idle times after its own restart is no sign of life: watching begins anew.
 */
void name_check_stop(struct stream *s)
{
	ev_timer_stop(loop_ev(stream_loop(s)), &s->name_check.timer);
	if (s->name_check.state == NAME_WATCHED)
		s->name_check.state = NAME_UNKNOWN;
}

void name_check_start(struct stream *s)
{
	if (s->name_check.state == NAME_OURS)
		recovery_start(s);
	else if (!ev_is_active(&s->name_check.timer))
		ask(s);
}

void name_check_init(struct stream *s)
{
	ev_init(&s->name_check.timer, on_timer);
	s->name_check.timer.data = s;
}

void name_check_done(struct stream *s)
{
	name_check_stop(s);
}
