/* SPDX-License-Identifier: MIT */
/*
 * Sees to it that the group exists before the stream is read. It is looked for first, with a
 * command that works in any state of the server, and made only when it is not there: at maxmemory
 * XGROUP CREATE is refused even where the group exists.
 *
 * A group that *vanishes* is never made again at "$": that would skip what was added meanwhile.
 * When the stream itself is new it begins at 0; else below the lowest entry that is not finished
 * here or was pending for anybody when last looked at, else at the last one read.
 */
#include "consumer/stream.h"
#include "redis/command.h"

void group_note_lowest(struct stream *s, const struct reply *rows)
{
	struct pending_row row;

	s->group.has_lowest =
	    reply_len(rows) > 0 && reply_pending_row(reply_at(rows, 0), &row) == 0;
	if (s->group.has_lowest)
		s->group.lowest = row.id;
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

static void try_later(struct stream *s)
{
	s->group.state = GROUP_UNKNOWN;
	pause_start(&s->group.pause, s);
	reader_place(s);
}

/* ---- where it begins ---- */

static void set_start(struct stream *s, struct entryid id)
{
	if (entryid_is_zero(id))
		memcpy(s->group.start, "0", sizeof("0"));
	else
		s->group.start[entryid_format(id, s->group.start)] = '\0';
}

static void set_first_start(struct stream *s)
{
	const struct group_start *start = &s->consumer->settings->start;

	if (start->kind == START_END)
		memcpy(s->group.start, "$", sizeof("$"));
	else
		set_start(s, start->kind == START_AT_ID ? start->id : (struct entryid){ 0, 0 });
}

/* The lowest entry that somebody has still to finish, as far as is known. */
static bool lowest_unfinished(const struct stream *s, struct entryid *ret_id)
{
	struct entryid held;
	bool holds = entryset_lowest(&s->entries, &held);

	if (!holds && !s->group.has_lowest)
		return false;
	if (!holds || (s->group.has_lowest && entryid_compare(s->group.lowest, held) < 0))
		*ret_id = s->group.lowest;
	else
		*ret_id = held;
	return true;
}

static void set_start_after_loss(struct stream *s, bool stream_is_new)
{
	struct entryid lowest;

	if (stream_is_new)
		set_start(s, (struct entryid){ 0, 0 });
	else if (lowest_unfinished(s, &lowest))
		set_start(s, entryid_before(lowest));
	else
		set_start(s, s->reader.last_id);
}

/* ---- making it ---- */

static void on_length_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct log_fields fields;
	long long n;

	(void)request;
	if (!r)
		return;
	fields = stream_log_fields(s);
	n = (long long)reply_integer(r);
	if (s->group.seen)
		log_event(LEVEL_WARNING, EVENT_GROUP_RECREATED, &fields,
		    "the group had vanished; made again at %s, %lld entries in the stream",
		    s->group.start, n);
	else
		log_event(n ? LEVEL_WARNING : LEVEL_NOTICE, EVENT_GROUP_CREATED, &fields,
		    "group created at %s, %lld entries waiting", s->group.start, n);
	s->group.has_lowest = false;
	group_is_ready(s);
}

static void on_create_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	if (!r)
		return;
	if (!reply_is_error(r)) {
		command_words(home_out(&s->home), "XLEN", s->name, NULL);
		home_expect(&s->home, on_length_reply, NULL);
	} else if (redis_error_class(r->text) == REDIS_BUSYGROUP) {
		group_is_ready(s);
	} else {
		stream_redis_error(s, "XGROUP CREATE", r);
		try_later(s);
	}
}

static void create(struct stream *s)
{
	command_words(home_out(&s->home), "XGROUP", "CREATE", s->name, s->consumer->settings->group,
	    s->group.start, "MKSTREAM", NULL);
	home_expect(&s->home, on_create_reply, NULL);
}

static struct entryid last_generated(const struct reply *info)
{
	struct entryid id = { 0, 0 };

	for (size_t i = 0; i + 1 < reply_len(info); i += 2) {
		if (slice_is(reply_text(reply_at(info, i)), "last-generated-id") &&
		    entryid_parse(reply_text(reply_at(info, i + 1)), &id) == 0)
			break;
	}
	return id;
}

/* The stream itself is gone, or is another one: its ids start again below what has been read. */
static void on_stream_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	if (!r)
		return;
	set_start_after_loss(s,
	    reply_is_error(r) || entryid_compare(last_generated(r), s->reader.last_id) < 0);
	create(s);
}

static void make(struct stream *s)
{
	if (!s->group.seen) {
		set_first_start(s);
		create(s);
		return;
	}
	command_words(home_out(&s->home), "XINFO", "STREAM", s->name, NULL);
	home_expect(&s->home, on_stream_reply, NULL);
}

static void missing(struct stream *s)
{
	enum missing_group policy = s->consumer->settings->on_missing_group;
	struct log_fields fields = stream_log_fields(s);

	if (policy == MISSING_GROUP_CREATE) {
		make(s);
		return;
	}
	if (policy == MISSING_GROUP_FAIL) {
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
	try_later(s);
}

/* ---- looking for it ---- */

static void on_look_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	if (!r)
		return;
	if (!reply_is_error(r)) {
		group_note_lowest(s, r);
		group_is_ready(s);
	} else if (redis_error_class(r->text) == REDIS_NOGROUP) {
		missing(s);
	} else {
		stream_redis_error(s, "XPENDING", r);
		try_later(s);
	}
}

void group_ensure(struct stream *s)
{
	if (s->group.state != GROUP_UNKNOWN || pause_is_on(&s->group.pause) ||
	    !home_is_up(&s->home) || s->consumer->draining)
		return;
	s->group.state = GROUP_ASKED;
	command_words(home_out(&s->home), "XPENDING", s->name, s->consumer->settings->group, "-",
	    "+", "1", NULL);
	home_expect(&s->home, on_look_reply, NULL);
}

void group_vanished(struct stream *s, const struct reply *error)
{
	struct log_fields fields = stream_log_fields(s);

	if (s->group.state != GROUP_READY)
		return;
	log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, &fields, "%.*s", (int)error->text.len,
	    error->text.data);
	s->group.state = GROUP_UNKNOWN;
	reader_place(s);
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
