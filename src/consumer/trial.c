/* SPDX-License-Identifier: MIT */
/*
 * The breaker at work. While it is not closed nothing is read, swept or handed over; when it has
 * cooled down one entry is got, if none is held, and tried.
 */
#include "consumer/stream.h"

bool trial_is_over(const struct consumer *c)
{
	return breaker_is_closed(&c->breaker);
}

bool trial_needs_entry(const struct consumer *c)
{
	const size_t *in = c->totals.in;

	return c->breaker.state == BREAKER_TRIABLE && !in[ENTRY_READY] && !in[ENTRY_CHECKING] &&
	       !in[ENTRY_BEGINNING] && list_empty(&c->due);
}

uint32_t trial_room(const struct consumer *c, uint32_t room)
{
	if (trial_is_over(c))
		return room;
	return room && trial_needs_entry(c) ? 1 : 0;
}

static void opened(struct consumer *c)
{
	const struct breaker *b = &c->breaker;
	struct log_fields fields = { .consumer = c->settings->name,
		.group = c->settings->group,
		.delay_ms = log_number(breaker_cooldown_ms(b)) };

	log_event(LEVEL_ERROR, EVENT_BREAKER_OPEN, &fields,
	    "the handler does not work: %u broken events, %u failed entries in a row; one entry is "
	    "tried after %llu ms",
	    b->n_broken, b->n_failed, (unsigned long long)breaker_cooldown_ms(b));
	loop_timer_in(c->host->loop, &c->cooldown, breaker_cooldown_ms(b));
	/* What a blocked read would bring now could not be run. */
	for (size_t i = 0; i < c->n_streams; i++)
		reader_unblock(&c->streams[i]);
}

static void closed(struct consumer *c)
{
	struct log_fields fields = { .consumer = c->settings->name, .group = c->settings->group };

	log_event(LEVEL_NOTICE, EVENT_BREAKER_CLOSED, &fields, "the handler works again");
	ev_timer_stop(loop_ev(c->host->loop), &c->cooldown);
}

static void changed(struct consumer *c, enum breaker_change change)
{
	if (change == BREAKER_OPENS)
		opened(c);
	else if (change == BREAKER_CLOSES)
		closed(c);
	consumer_wake(c);
}

struct breaker_key trial_key(const struct entry *e)
{
	return (struct breaker_key){ .origin = e->origin, .id = e->id };
}

void trial_verdict(struct consumer *c, const struct entry *e, struct outcome *o)
{
	changed(c, breaker_verdict(&c->breaker, trial_key(e), o));
}

void trial_no_worker(struct consumer *c)
{
	changed(c, breaker_no_worker(&c->breaker));
}

/* The READY entry to try: not the one that failed last, where there is another. */
static struct entry *candidate(struct consumer *c)
{
	bool others = c->totals.in[ENTRY_READY] > 1 || !list_empty(&c->due);

	list_foreach(&c->ready, stream_node) {
		struct stream *s = container_of(stream_node, struct stream, ready_node);

		list_foreach(&s->entries.in[ENTRY_READY], node) {
			struct entry *e = container_of(node, struct entry, node);

			if (breaker_may_try(&c->breaker, trial_key(e), others) &&
			    lease_is_fresh(s, e))
				return e;
		}
	}
	return NULL;
}

struct entry *trial_candidate(struct consumer *c)
{
	return c->breaker.state == BREAKER_TRIABLE ? candidate(c) : NULL;
}

static void on_cooled(struct ev_loop *ev, ev_timer *w, int events)
{
	struct consumer *c = w->data;

	(void)ev;
	(void)events;
	breaker_cooled(&c->breaker);
	consumer_wake(c);
}

void trial_renewed(struct consumer *c)
{
	ev_timer_stop(loop_ev(c->host->loop), &c->cooldown);
	breaker_renewed(&c->breaker);
	/* What failed was given back, and a read does not bring it. */
	for (size_t i = 0; i < c->n_streams && trial_needs_entry(c); i++)
		sweeper_hurry(&c->streams[i]);
	consumer_wake(c);
}

void trial_init(struct consumer *c)
{
	breaker_init(&c->breaker, &c->settings->breaker);
	ev_init(&c->cooldown, on_cooled);
	c->cooldown.data = c;
}

void trial_done(struct consumer *c)
{
	ev_timer_stop(loop_ev(c->host->loop), &c->cooldown);
}
