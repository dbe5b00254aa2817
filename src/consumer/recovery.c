/* SPDX-License-Identifier: MIT */
/*
 * Takes up what is pending on our own name and not in the table: entries whose reply never reached
 * us, or that a former life of this daemon left behind. Before the first read everything found is
 * taken up; nothing can be on its way then. Later a reply may be, so an entry must have been idle
 * for longer than a read can last, and nobody else may be at work under our name (twin.c); the scan
 * is made after each connect and again when the last read of the old connection must be over, and
 * from then on the sweep looks at our own rows as well.
 *
 * History is never read with XREADGROUP and an id: that raises the delivery count of everything
 * that it returns, though nothing has run.
 */
#include "consumer/stream.h"

enum { PAGE_ROWS = 500, REPLY_MARGIN_MS = 5000, AGAIN_MARGIN_MS = 1000 };

static void next_page(struct stream *s);

bool recovery_is_ours_to_take(const struct stream *s, const struct pending_row *row)
{
	uint64_t on_its_way_ms = s->consumer->settings->read.block_ms + REPLY_MARGIN_MS;

	if (!slice_is(row->owner, s->origin.consumer) || entryset_find(&s->entries, row->id) ||
	    twin_is_about(s))
		return false;
	return !s->recovery.complete || row->idle_ms > on_its_way_ms;
}

bool recovery_is_complete(const struct stream *s)
{
	return s->recovery.complete;
}

void recovery_take_up(struct stream *s, const struct pending_row *row)
{
	s->consumer->stats.read_recovered++;
	arrival_owned(s, row->id, row->deliveries, SOURCE_RECOVERED);
}

static void finish(struct stream *s)
{
	bool first = !s->recovery.complete;

	s->recovery.complete = true;
	s->recovery.cursor = (struct entryid){ 0, 0 };
	/* Their idle time is that of their former life: others could take them at any moment. */
	if (s->recovery.n_taken)
		lease_renew_all(s);
	s->recovery.n_taken = 0;
	if (first) {
		reader_place(s);
		consumer_wake(s->consumer);
	}
}

static void take_page(struct stream *s, const struct reply *rows)
{
	const struct consumer *c = s->consumer;
	struct entryid before = s->recovery.cursor;

	twin_look(s, rows, s->recovery.asked_at_ms);
	/* Going on begins the scan anew. */
	if (c->paused)
		return;
	for (size_t i = 0; i < reply_len(rows); i++) {
		struct pending_row row;

		if (reply_pending_row(reply_at(rows, i), &row))
			continue;
		s->recovery.cursor = row.id;
		if (c->totals.n_held >= c->settings->read.max_held ||
		    !recovery_is_ours_to_take(s, &row))
			continue;
		s->recovery.n_taken++;
		recovery_take_up(s, &row);
	}
	/* What max_held left out is found by the sweep, when there is room. */
	if (reply_len(rows) < PAGE_ROWS || c->totals.n_held >= c->settings->read.max_held ||
	    c->draining || entryid_compare(before, s->recovery.cursor) == 0)
		finish(s);
	else
		next_page(s);
}

static void refused(struct stream *s, const struct reply *r)
{
	stream_redis_error(s, "XPENDING", r);
	loop_timer_in(stream_loop(s), &s->recovery.timer, AGAIN_MARGIN_MS);
}

static void on_page_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	s->recovery.asked = false;
	if (!r)
		return;
	if (reply_is_error(r))
		refused(s, r);
	else
		take_page(s, r);
}

static void ask_page(struct stream *s)
{
	s->recovery.asked = true;
	s->recovery.asked_at_ms = stream_now_ms(s);
	stream_ask_pending(s,
	    &(struct pending_page){
	        .above = s->recovery.cursor,
	        .last = s->recovery.last,
	        .n_rows = PAGE_ROWS,
	        .consumer = s->origin.consumer,
	    },
	    on_page_reply);
}

static void on_last_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	s->recovery.asked = false;
	if (!r)
		return;
	if (reply_is_error(r)) {
		refused(s, r);
		return;
	}
	s->recovery.last = reply_last_pending(r);
	ask_page(s);
}

static void next_page(struct stream *s)
{
	if (!entryid_is_zero(s->recovery.last)) {
		ask_page(s);
		return;
	}
	s->recovery.asked = true;
	stream_ask_last_pending(s, on_last_reply);
}

static void scan(struct stream *s)
{
	if (s->recovery.asked || consumer_is_halted(s->consumer) || !home_is_up(&s->home) ||
	    s->group.state != GROUP_READY)
		return;
	s->recovery.cursor = s->recovery.last = (struct entryid){ 0, 0 };
	ask_page(s);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	scan(w->data);
}

void recovery_start(struct stream *s)
{
	uint64_t over_ms = s->consumer->settings->read.block_ms + REPLY_MARGIN_MS + AGAIN_MARGIN_MS;

	twin_forget_all(s);
	scan(s);
	loop_timer_in(stream_loop(s), &s->recovery.timer, over_ms);
}

void recovery_stop(struct stream *s)
{
	ev_timer_stop(loop_ev(stream_loop(s)), &s->recovery.timer);
	s->recovery.asked = false;
	twin_forget_all(s);
}

void recovery_init(struct stream *s)
{
	ev_init(&s->recovery.timer, on_timer);
	s->recovery.timer.data = s;
}
