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
	probe_server(s);
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

static const struct reply *detail(const struct reply *info, const char *name)
{
	for (size_t i = 0; i + 1 < reply_len(info); i += 2) {
		if (slice_is(reply_text(reply_at(info, i)), name))
			return reply_at(info, i + 1);
	}
	return NULL;
}

static struct entryid id_in(const struct reply *text)
{
	struct entryid id = { 0, 0 };

	return entryid_parse(reply_text(text), &id) == 0 ? id : (struct entryid){ 0, 0 };
}

/* An entry that was in the stream: the last one read, else the lowest that was pending. */
static struct entryid known_entry(const struct stream *s)
{
	struct entryid id = s->reader.last_id;

	if (entryid_is_zero(id))
		lowest_unfinished(s, &id);
	return id;
}

/*
 * Whether something could be skipped, and nothing tells yet that it had been read: a stream that
 * was deleted may have been filled with low ids again first, and with higher ones since. The entry
 * that is known need not be there in the old one either, but then what is below is gone as well
 * (trimmed), or it counts among the deleted ones (from 7.0 on).
 */
static bool may_be_another(const struct stream *s, const struct reply *info)
{
	struct entryid known = known_entry(s);
	const struct reply *first = reply_at(detail(info, "first-entry"), 0);

	return reply_len(detail(info, "first-entry")) &&
	       entryid_compare(id_in(first), known) <= 0 &&
	       entryid_compare(id_in(detail(info, "max-deleted-entry-id")), known) < 0;
}

/*
 * False when the answer has to be asked for again. Who will never be told has to repeat everything;
 * who will be, waits.
 */
static bool is_an_answer(struct stream *s, const char *what, const struct reply *r)
{
	enum redis_error class;

	if (!reply_is_error(r))
		return true;
	class = redis_error_class(r->text);
	if (class == REDIS_NOGROUP)
		return true;
	stream_redis_error(s, what, r);
	return class == REDIS_AUTH || class == REDIS_UNSUPPORTED;
}

static void make_again(struct stream *s, bool stream_is_new)
{
	set_start_after_loss(s, stream_is_new);
	create(s);
}

static void on_known_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	if (!r)
		return;
	if (is_an_answer(s, "XRANGE", r))
		make_again(s, reply_is_error(r) || !reply_len(r));
	else
		try_later(s);
}

static void on_stream_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct entryid_text known = entryid_text(known_entry(s));

	(void)request;
	if (!r)
		return;
	if (!is_an_answer(s, "XINFO STREAM", r)) {
		try_later(s);
	} else if (!reply_is_error(r) && may_be_another(s, r)) {
		command_words(home_out(&s->home), "XRANGE", s->name, known.text, known.text, NULL);
		home_expect(&s->home, on_known_reply, NULL);
	} else {
		make_again(s,
		    reply_is_error(r) || entryid_compare(id_in(detail(r, "last-generated-id")),
		                             s->reader.last_id) < 0);
	}
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

void group_look_again(struct stream *s)
{
	if (s->group.state == GROUP_STOPPED)
		s->group.state = GROUP_UNKNOWN;
	group_ensure(s);
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
