/* SPDX-License-Identifier: MIT */
/*
 * Learns from a stream what its server can tell. One stream is enough for all that it serves, and
 * nothing waits for it: while it is not known what a server can do, it is asked as if it could.
 */
#include "consumer/stream.h"
#include "redis/command.h"

static void on_probe_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	/* Other errors are told by those who have work to do: the log takes one complaint a while.
	 */
	if (reply_is_error(r))
		(void)stream_script_refused(s, r);
	else if (r)
		home_learn_probe(&s->home, r);
}

void probe_server(struct stream *s)
{
	struct buf *out;

	if (!home_take_probe(&s->home))
		return;
	out = home_script(&s->home, SCRIPT_PROBE, 1, 2);
	command_text(out, s->name);
	command_text(out, s->origin.group);
	command_text(out, s->origin.consumer);
	home_expect(&s->home, on_probe_reply, NULL);
}

void probe_learn(struct stream *s, enum ability which, const struct reply *row, const char *word)
{
	bool has = false;

	for (size_t i = 0; i < reply_len(row); i += 2)
		has = has || slice_is(reply_text(reply_at(row, i)), word);
	if (reply_len(row))
		home_learn(&s->home, which, has);
}
