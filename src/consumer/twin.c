/* SPDX-License-Identifier: MIT */
/*
 * Notices, once we are at work, that another daemon works under our consumer name: an entry that is
 * pending on that name and not held here is not touched by us, so its idle time can only grow.
 * Where it went down, somebody else has read, begun or renewed it. Then nothing is taken up from
 * our own pending list, which is the other's as well, until no such thing has been seen for a whole
 * lease; by then what the other left lies open to everybody. What is read as new goes to one of the
 * two only, and is handled as ever.
 *
 * Entries given back are forgotten here, because that sets their idle time; everything is forgotten
 * when the server goes away, since a restart or a failover brings former idle times back.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "consumer/stream.h"

enum { LOG_MS = 5 * 60 * 1000 };

bool twin_is_about(const struct stream *s)
{
	return stream_now_ms(s) < s->twin.until_ms;
}

static void tell(struct stream *s, struct entryid id)
{
	struct log_fields fields = stream_log_fields(s);
	struct entryid_text text = entryid_text(id);
	uint64_t held_back;

	if (!log_limit_pass(&s->twin.log, stream_now_ms(s), LOG_MS, &held_back))
		return;
	fields.entry_id = text.text;
	log_event(LEVEL_ERROR, EVENT_NAME_IN_USE, &fields,
	    "somebody else has touched an entry of %s: another daemon is at work under that name. "
	    "What is pending on it is not taken up; give one of them another consumer name or "
	    "instance",
	    s->origin.consumer);
}

static void seen(struct stream *s, struct entryid id)
{
	s->twin.until_ms = stream_now_ms(s) + s->consumer->settings->claim.min_idle_ms;
	s->twin.told = true;
	tell(s, id);
}

static void look_whether_gone(struct stream *s)
{
	struct log_fields fields = stream_log_fields(s);

	if (!s->twin.told || twin_is_about(s))
		return;
	s->twin.told = false;
	s->twin.log = (struct log_limit){ 0 };
	log_event(LEVEL_NOTICE, EVENT_RESUMED, &fields,
	    "nobody else is %s any more: what is pending on that name is taken up",
	    s->origin.consumer);
}

static void look_at_row(struct stream *s, const struct pending_row *row, uint64_t asked_at_ms)
{
	if (!slice_is(row->owner, s->origin.consumer))
		return;
	if (entryset_find(&s->entries, row->id)) {
		twin_forget(s, row->id);
		return;
	}
	if (!s->twin.sightings)
		s->twin.sightings = xcalloc(1, sizeof(*s->twin.sightings));
	if (sightings_touched(s->twin.sightings, row, asked_at_ms, stream_now_ms(s)))
		seen(s, row->id);
}

void twin_look(struct stream *s, const struct reply *rows, uint64_t asked_at_ms)
{
	for (size_t i = 0; i < reply_len(rows); i++) {
		struct pending_row row;

		if (reply_pending_row(reply_at(rows, i), &row) == 0)
			look_at_row(s, &row, asked_at_ms);
	}
	look_whether_gone(s);
}

void twin_forget(struct stream *s, struct entryid id)
{
	if (s->twin.sightings)
		sightings_forget(s->twin.sightings, id);
}

void twin_forget_all(struct stream *s)
{
	free(s->twin.sightings);
	s->twin.sightings = NULL;
}
