/* SPDX-License-Identifier: MIT */
/*
 * A pause: like a drain that does not end, and without an end of the handler processes. Whatever is
 * on its way when it begins comes in and goes back.
 */
#include "consumer/stream.h"

static void log_about(const struct consumer *c, enum log_event event, const char *text)
{
	struct log_fields fields = { .consumer = c->name, .group = c->group };

	log_event(LEVEL_NOTICE, event, &fields, "%s", text);
}

void consumer_pause(struct consumer *c)
{
	if (c->paused)
		return;
	c->paused = true;
	log_about(c, EVENT_PAUSED, "paused: what runs may finish, what waits is given back");
	for (size_t i = 0; i < c->n_streams; i++) {
		reader_place(&c->streams[i]);
		reader_unblock(&c->streams[i]);
	}
	consumer_wake(c);
}

/* What was given back is taken up again, where nobody else has done so: the name is looked after as
 * after a connect. */
static void go_on(struct stream *s)
{
	if (home_is_up(&s->home) && s->group.state == GROUP_READY)
		name_check_start(s);
	reader_place(s);
	begin_watch(s);
}

void consumer_resume(struct consumer *c)
{
	if (!c->paused)
		return;
	c->paused = false;
	log_about(c, EVENT_RESUMED, "resumed");
	for (size_t i = 0; i < c->n_streams && !c->draining; i++)
		go_on(&c->streams[i]);
	consumer_wake(c);
}

bool consumer_is_paused(const struct consumer *c)
{
	return c->paused;
}
