/* SPDX-License-Identifier: MIT */
#include "consumer/look.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "redis/command.h"

struct looking {
	struct look look;
	look_fn *then;
};

static void on_pending_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct looking *l = request;

	l->look.answer = LOOK_FAILED;
	if (!r)
		return;
	if (reply_is_error(r)) {
		stream_redis_error(s, "XPENDING", r);
		return;
	}
	if (reply_pending_row(reply_at(r, 0), &l->look.row)) {
		l->look.answer = LOOK_NOBODYS;
		return;
	}
	l->look.answer =
	    slice_is(l->look.row.owner, s->origin.consumer) ? LOOK_OURS : LOOK_ANOTHERS;
	/* The reply goes; whose it is has been told. */
	l->look.row.owner = (struct slice){ "", 0 };
}

static void on_range_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct looking *l = request;
	bool pending = l->look.answer == LOOK_OURS || l->look.answer == LOOK_ANOTHERS;

	if (!r || reply_is_error(r)) {
		if (r)
			stream_redis_error(s, "XRANGE", r);
		l->look.answer = LOOK_FAILED;
	} else if (pending && !reply_len(r)) {
		l->look.answer = LOOK_GONE;
	} else {
		l->look.fields = reply_at(reply_at(r, 0), 1);
	}
	l->then(s, &l->look);
	free(l);
	settle_soon(s);
	consumer_wake(s->consumer);
}

void look_at(struct stream *s, struct entryid id, look_fn *then)
{
	struct entryid_text text = entryid_text(id);
	struct looking *l = xcalloc(1, sizeof(*l));

	l->look.id = id;
	l->look.asked_at_ms = stream_now_ms(s);
	l->then = then;
	command_words(home_out(&s->home), "XPENDING", s->name, s->origin.group, text.text,
	    text.text, "1", NULL);
	home_expect(&s->home, on_pending_reply, l);
	command_words(home_out(&s->home), "XRANGE", s->name, text.text, text.text, NULL);
	home_expect(&s->home, on_range_reply, l);
}

void look_claim_told(void *owner, void *request, const struct reply *r)
{
	(void)request;
	if (reply_is_error(r))
		stream_redis_error(owner, "XCLAIM", r);
}

void look_claim(struct stream *s, const struct look_claim *claim, reply_fn *on_reply, void *request)
{
	struct buf *out = home_out(&s->home);
	size_t n_words = 0;

	while (claim->words[n_words])
		n_words++;
	command_open(out, 7 + n_words);
	command_text(out, "XCLAIM");
	command_text(out, s->name);
	command_text(out, s->origin.group);
	command_text(out, s->origin.consumer);
	command_u64(out, claim->min_idle_ms);
	command_id(out, claim->id);
	for (size_t i = 0; i < n_words; i++)
		command_text(out, claim->words[i]);
	command_text(out, "JUSTID");
	home_expect(&s->home, on_reply, request);
}
