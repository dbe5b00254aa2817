/* SPDX-License-Identifier: MIT */
/*
 * Takes up what is pending on our own name and not in the table: entries whose reply never reached
 * us, or that a former life of this daemon left behind. Before the first read everything found is
 * taken up; nothing can be on its way then. Later a reply may be, so an entry must have been idle
 * for longer than a read can last, and nobody else may be at work under our name (twin.c); the scan
 * is made after each connect and again when the last read of the old connection must be over, and
 * from then on the sweep looks at our own rows as well.
 *
 * Nothing is read before the first scan is over. Nobody waits for the later ones: what they find is
 * taken up without delay, but a page on which there is nothing to take up is followed by a pause.
 *
 * History is never read with XREADGROUP and an id: that raises the delivery count of everything
 * that it returns, though nothing has run.
 */
#include "consumer/stream.h"

enum { REPLY_MARGIN_MS = 5000, AGAIN_MARGIN_MS = 1000 };

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

/* ---- the end of a scan ---- */

/* One that took longer than until then does not count for the one that is due then. */
static void again_when_due(struct stream *s)
{
	uint64_t at_ms = s->recovery.again_at_ms, now_ms = stream_now_ms(s);

	if (at_ms)
		loop_timer_in(stream_loop(s), &s->recovery.timer,
		    at_ms > now_ms ? at_ms - now_ms : 0);
}

static void finish(struct stream *s)
{
	bool first = !s->recovery.complete;

	s->recovery.complete = true;
	s->recovery.walk.sweep.active = false;
	/* Their idle time is that of their former life: others could take them at any moment. */
	if (s->recovery.n_taken)
		lease_renew_all(s);
	s->recovery.n_taken = 0;
	again_when_due(s);
	if (first) {
		reader_place(s);
		consumer_wake(s->consumer);
	}
}

static void refused(struct stream *s)
{
	s->recovery.walk.sweep.active = false;
	loop_timer_in(stream_loop(s), &s->recovery.timer, AGAIN_MARGIN_MS);
}

/* ---- pages ---- */

static bool is_full(const struct consumer *c)
{
	return c->totals.n_held >= c->settings->read.max_held;
}

/* Takes up what is ours to take, and returns the last row. */
static struct entryid take_rows(struct stream *s, const struct reply *rows)
{
	struct entryid last = s->recovery.walk.sweep.cursor;

	for (size_t i = 0; i < reply_len(rows); i++) {
		struct pending_row row;

		if (reply_pending_row(reply_at(rows, i), &row))
			continue;
		last = row.id;
		if (is_full(s->consumer) || !recovery_is_ours_to_take(s, &row))
			continue;
		s->recovery.n_taken++;
		recovery_take_up(s, &row);
	}
	return last;
}

static void take_page(struct stream *s, const struct reply *rows)
{
	struct pendingwalk *w = &s->recovery.walk;
	size_t n_before = s->recovery.n_taken;
	bool goes_on = pendingwalk_advance(w, rows, take_rows(s, rows));

	/* What max_held left out is found by the sweep, when there is room. */
	if (!goes_on || is_full(s->consumer) || s->consumer->draining)
		finish(s);
	else if (!s->recovery.complete || s->recovery.n_taken > n_before)
		pendingwalk_ask(s, w);
	else
		loop_timer_in(stream_loop(s), &s->recovery.timer,
		    sweep_long_pause_ms(stream_now_ms(s) - w->asked_at_ms));
}

static void on_page(struct stream *s, const struct reply *rows)
{
	if (!rows) {
		refused(s);
		return;
	}
	twin_look(s, rows, s->recovery.walk.asked_at_ms);
	/* Going on begins the scan anew. */
	if (!s->consumer->paused)
		take_page(s, rows);
}

static bool may_ask(const struct stream *s)
{
	return !s->recovery.walk.asked && !consumer_is_halted(s->consumer) &&
	       home_is_up(&s->home) && s->group.state == GROUP_READY;
}

static void scan(struct stream *s)
{
	if (!may_ask(s))
		return;
	if (stream_now_ms(s) >= s->recovery.again_at_ms)
		s->recovery.again_at_ms = 0;
	s->recovery.walk.sweep.cursor = (struct entryid){ 0, 0 };
	pendingwalk_begin(&s->recovery.walk);
	pendingwalk_ask(s, &s->recovery.walk);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
	struct stream *s = w->data;

	(void)ev;
	(void)events;
	if (!s->recovery.walk.sweep.active)
		scan(s);
	else if (may_ask(s))
		pendingwalk_ask(s, &s->recovery.walk);
}

/* ---- life ---- */

void recovery_start(struct stream *s)
{
	uint64_t over_ms = s->consumer->settings->read.block_ms + REPLY_MARGIN_MS + AGAIN_MARGIN_MS;

	twin_forget_all(s);
	s->recovery.again_at_ms = stream_now_ms(s) + over_ms;
	scan(s);
}

void recovery_stop(struct stream *s)
{
	ev_timer_stop(loop_ev(stream_loop(s)), &s->recovery.timer);
	s->recovery.walk.sweep.active = false;
	twin_forget_all(s);
}

void recovery_init(struct stream *s)
{
	s->recovery.walk.consumer = s->origin.consumer;
	s->recovery.walk.on_page = on_page;
	ev_init(&s->recovery.timer, on_timer);
	s->recovery.timer.data = s;
}
