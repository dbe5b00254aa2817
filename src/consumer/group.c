/* SPDX-License-Identifier: MIT */
/*
 * Sees to it that the group exists before the stream is read.
 *
 * A group that *vanishes* is never made again at "$": that would skip what was added meanwhile. It
 * begins below the lowest entry that is not finished here, else at the last one read, else at 0.
 */
#include "consumer/stream.h"
#include "redis/command.h"

static const char *start_text(const struct stream *s, struct entryid_text *text)
{
	const struct group_start *start = &s->consumer->settings->start;
	struct entryid lowest;

	if (s->group.seen && entryset_lowest(&s->entries, &lowest)) {
		*text = entryid_text(entryid_before(lowest));
		return text->text;
	}
	if (s->group.seen && !entryid_is_zero(s->reader.last_id)) {
		*text = entryid_text(s->reader.last_id);
		return text->text;
	}
	if (start->kind == START_END && !s->group.seen)
		return "$";
	if (start->kind != START_AT_ID || s->group.seen)
		return "0";
	*text = entryid_text(start->id);
	return text->text;
}

static void group_is_ready(struct stream *s)
{
	s->group.state = GROUP_READY;
	s->group.seen = true;
	s->group.was_missing = false;
	name_check_start(s);
	pause_reset(&s->group.pause);
	reader_place(s);
	consumer_wake(s->consumer);
}

static void on_waiting_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct log_fields fields;
	struct entryid_text text;

	(void)request;
	if (!r)
		return;
	fields = stream_log_fields(s);
	if (s->group.seen) {
		log_event(LEVEL_WARNING, EVENT_GROUP_RECREATED, &fields,
		    "the group had vanished; made again at %s, %lld entries in the stream",
		    start_text(s, &text), (long long)reply_integer(r));
	} else {
		log_event(reply_integer(r) ? LEVEL_WARNING : LEVEL_NOTICE, EVENT_GROUP_CREATED,
		    &fields, "group created at %s, %lld entries waiting", start_text(s, &text),
		    (long long)reply_integer(r));
	}
	group_is_ready(s);
}

static void ask_what_waits(struct stream *s)
{
	command_words(server_out(stream_server(s)), "XLEN", s->name, NULL);
	server_expect(stream_server(s), on_waiting_reply, s, NULL);
}

static void on_create_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	if (!r)
		return;
	if (!reply_is_error(r)) {
		ask_what_waits(s);
		return;
	}
	if (redis_error_class(r->text) == REDIS_BUSYGROUP) {
		group_is_ready(s);
		return;
	}
	stream_redis_error(s, "XGROUP CREATE", r);
	s->group.state = GROUP_UNKNOWN;
	pause_start(&s->group.pause, s);
}

static void create(struct stream *s)
{
	struct entryid_text text;

	s->group.state = GROUP_ASKED;
	command_words(server_out(stream_server(s)), "XGROUP", "CREATE", s->name,
	    s->consumer->settings->group, start_text(s, &text), "MKSTREAM", NULL);
	server_expect(stream_server(s), on_create_reply, s, NULL);
}

static void missing(struct stream *s)
{
	struct log_fields fields = stream_log_fields(s);

	if (s->consumer->settings->on_missing_group == MISSING_GROUP_FAIL) {
		log_event(LEVEL_ERROR, EVENT_REDIS_ERROR, &fields,
		    "the group does not exist, and on_missing_group is fail: the stream is not "
		    "read");
		s->group.state = GROUP_STOPPED;
		reader_place(s);
		return;
	}
	if (!s->group.was_missing)
		log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, &fields,
		    "the group does not exist; waiting for somebody to create it");
	s->group.was_missing = true;
	s->group.state = GROUP_UNKNOWN;
	pause_start(&s->group.pause, s);
	reader_place(s);
}

/* Whether the group is there, without touching it: its pending summary answers NOGROUP if not. */
static void on_look_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	if (!r)
		return;
	if (!reply_is_error(r)) {
		group_is_ready(s);
	} else if (redis_error_class(r->text) == REDIS_NOGROUP) {
		missing(s);
	} else {
		stream_redis_error(s, "XPENDING", r);
		s->group.state = GROUP_UNKNOWN;
		pause_start(&s->group.pause, s);
	}
}

static void look(struct stream *s)
{
	s->group.state = GROUP_ASKED;
	command_words(server_out(stream_server(s)), "XPENDING", s->name,
	    s->consumer->settings->group, "-", "+", "1", NULL);
	server_expect(stream_server(s), on_look_reply, s, NULL);
}

void group_ensure(struct stream *s)
{
	if (s->group.state != GROUP_UNKNOWN || pause_is_on(&s->group.pause) ||
	    !server_is_up(stream_server(s)) || s->consumer->draining)
		return;
	if (s->consumer->settings->on_missing_group == MISSING_GROUP_CREATE)
		create(s);
	else
		look(s);
}

void group_vanished(struct stream *s, const struct reply *error)
{
	struct log_fields fields = stream_log_fields(s);

	if (s->group.state != GROUP_READY)
		return;
	log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, &fields, "%.*s", (int)error->text.len,
	    error->text.data);
	s->group.state = GROUP_UNKNOWN;
	group_ensure(s);
}

static void on_pause_over(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	group_ensure(w->data);
}

void group_init(struct stream *s)
{
	pause_init(&s->group.pause, s, on_pause_over);
}
