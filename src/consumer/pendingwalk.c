/* SPDX-License-Identifier: MIT */
#include "consumer/pendingwalk.h"

#include <stdio.h>

#include "consumer/stream.h"
#include "redis/command.h"

enum {
	/* With 1000 another client's slowest replies take 1 ms, with 250 a third of it, for a tenth
	 * more of the server's time. */
	PAGE_ROWS = 250,
};

static bool is_answered(struct stream *s, struct pendingwalk *w, const struct reply *r)
{
	w->asked = false;
	if (!r)
		return false;
	if (!reply_is_error(r))
		return true;
	stream_redis_error(s, "XPENDING", r);
	w->on_page(s, NULL);
	return false;
}

static void on_page_reply(void *owner, void *request, const struct reply *r)
{
	struct pendingwalk *w = request;

	if (is_answered(owner, w, r))
		w->on_page(owner, r);
}

static void ask_page(struct stream *s, struct pendingwalk *w)
{
	char start[ENTRYID_TEXT_SIZE + 1] = "-", end[ENTRYID_TEXT_SIZE] = "+", rows[12];

	if (!entryid_is_zero(w->sweep.cursor)) {
		start[0] = '(';
		start[1 + entryid_format(w->sweep.cursor, start + 1)] = '\0';
	}
	if (!entryid_is_zero(w->sweep.last))
		end[entryid_format(w->sweep.last, end)] = '\0';
	snprintf(rows, sizeof(rows), "%d", PAGE_ROWS);
	w->asked = true;
	w->asked_at_ms = stream_now_ms(s);
	/* A consumer of NULL ends the command. */
	command_words(home_out(&s->home), "XPENDING", s->name, s->origin.group, start, end, rows,
	    w->consumer, NULL);
	home_expect(&s->home, on_page_reply, w);
}

static void on_last_reply(void *owner, void *request, const struct reply *r)
{
	struct pendingwalk *w = request;

	if (!is_answered(owner, w, r))
		return;
	w->sweep.last = reply_last_pending(r);
	ask_page(owner, w);
}

void pendingwalk_begin(struct pendingwalk *w)
{
	w->sweep.last = (struct entryid){ 0, 0 };
	w->sweep.active = true;
}

void pendingwalk_ask(struct stream *s, struct pendingwalk *w)
{
	if (entryid_is_zero(w->sweep.cursor) || !entryid_is_zero(w->sweep.last)) {
		ask_page(s, w);
		return;
	}
	w->asked = true;
	command_words(home_out(&s->home), "XPENDING", s->name, s->origin.group, NULL);
	home_expect(&s->home, on_last_reply, w);
}

bool pendingwalk_advance(struct pendingwalk *w, const struct reply *rows, struct entryid last)
{
	return sweep_advance(&w->sweep, reply_len(rows), PAGE_ROWS, last);
}
