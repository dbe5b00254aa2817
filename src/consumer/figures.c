/* SPDX-License-Identifier: MIT */
/*
 * Asks Redis what only it knows: how long streams are, how far groups lag behind, how much is
 * pending. Only while somebody looks at it or alerts are set, in rounds, and of many streams only
 * some at a time; nobody waits for an answer. What an ACL refuses stays unknown.
 */
#include "consumer/stream.h"
#include "redis/command.h"

enum {
	ROUND_MS = 10 * 1000,
	/* Whoever looks every five minutes finds figures each time; Prometheus takes what is older
	 * for gone. */
	WANTED_FOR_MS = 330 * 1000,
	STREAMS_AT_ONCE = 50,
	BETWEEN_MS = 20,
	FIRST_MS = 1000, /* connections come first */
};

/* ---- answers ---- */

static struct figure figure(const struct stream *s, uint64_t value)
{
	return (struct figure){ .at_ms = stream_now_ms(s), .value = value };
}

static struct figure figure_of(const struct stream *s, const struct reply *r)
{
	if (!r || r->type != REPLY_INTEGER || r->integer < 0)
		return (struct figure){ 0 };
	return figure(s, (uint64_t)r->integer);
}

/* A permission that is missing for this alone is no fault: it would be counted in every round. */
static bool is_answer(struct stream *s, struct home *h, const struct reply *r)
{
	enum redis_error class;

	s->n_figures_asked--;
	if (!reply_is_error(r))
		return r;
	class = redis_error_class(r->text);
	if (class != REDIS_AUTH)
		stream_complained(s, class, r->text);
	home_heard_error(h, class, r->text);
	return false;
}

static void on_length(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	if (is_answer(s, &s->home, r))
		s->figures.length = figure_of(s, r);
}

static void on_dead_length(void *owner, void *request, const struct reply *r)
{
	struct stream *s = request;

	(void)owner;
	if (is_answer(s, undertaker_record_home(s), r))
		s->figures.dead_letters = figure_of(s, r);
}

static const struct reply *field(const struct reply *row, const char *name)
{
	for (size_t i = 0; i + 1 < reply_len(row); i += 2) {
		if (slice_is(reply_text(reply_at(row, i)), name))
			return reply_at(row, i + 1);
	}
	return NULL;
}

static void on_groups(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	if (!is_answer(s, &s->home, r))
		return;
	probe_learn(s, ABILITY_LAG, reply_at(r, 0), "lag");
	s->figures.lag = s->figures.pending = (struct figure){ 0 };
	for (size_t i = 0; i < reply_len(r); i++) {
		const struct reply *group = reply_at(r, i);

		if (!slice_is(reply_text(field(group, "name")), s->origin.group))
			continue;
		s->figures.pending = figure_of(s, field(group, "pending"));
		/* Null, or not there at all before 7.0: not known, which is not 0. */
		s->figures.lag = figure_of(s, field(group, "lag"));
	}
	alerts_group(s);
}

/* The summary names the lowest id. */
static void on_pending(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct entryid lowest;

	(void)request;
	if (!is_answer(s, &s->home, r))
		return;
	s->figures.oldest = (struct figure){ 0 };
	if (entryid_parse(reply_text(reply_at(r, 1)), &lowest) == 0)
		s->figures.oldest = figure(s, lowest.ms);
	alerts_oldest(s);
}

/* ---- questions ---- */

static void expect(struct stream *s, struct home *h, reply_fn *on_reply)
{
	s->n_figures_asked++;
	home_expect(h, on_reply, s);
}

static void ask_dead_letters(struct stream *s)
{
	struct home *h = undertaker_record_home(s);

	if (!s->dead_letters || !home_is_up(h))
		return;
	command_words(home_out(h), "XLEN", s->dead_letters, NULL);
	expect(s, h, on_dead_length);
}

static void ask_group(struct stream *s)
{
	command_words(home_out(&s->home), "XINFO", "GROUPS", s->name, NULL);
	expect(s, &s->home, on_groups);
	command_words(home_out(&s->home), "XPENDING", s->name, s->origin.group, NULL);
	expect(s, &s->home, on_pending);
}

static void ask(struct stream *s)
{
	if (s->n_figures_asked || !home_is_up(&s->home))
		return;
	command_words(home_out(&s->home), "XLEN", s->name, NULL);
	expect(s, &s->home, on_length);
	ask_dead_letters(s);
	if (s->group.state == GROUP_READY) {
		probe_server(s);
		ask_group(s);
	}
}

/* ---- rounds ---- */

static void ask_some(struct consumer *c)
{
	size_t *next = &c->inquiry.next_stream;

	for (int i = 0; i < STREAMS_AT_ONCE && *next < c->n_streams; i++)
		ask(&c->streams[(*next)++]);
	if (*next == c->n_streams)
		*next = 0;
}

static bool is_wanted(const struct consumer *c)
{
	uint64_t wanted_at_ms = c->inquiry.wanted_at_ms;

	return alerts_are_set(c) ||
	       (wanted_at_ms && loop_now_ms(c->host->loop) - wanted_at_ms <= WANTED_FOR_MS);
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
	struct consumer *c = w->data;
	struct inquiry *q = &c->inquiry;
	struct loop *loop = c->host->loop;
	uint64_t now_ms = loop_now_ms(loop), next_ms;

	(void)ev;
	(void)events;
	if (!q->next_stream && !is_wanted(c))
		return;
	if (!q->next_stream)
		q->round_at_ms = now_ms;
	ask_some(c);
	next_ms = q->next_stream ? now_ms + BETWEEN_MS : q->round_at_ms + ROUND_MS;
	loop_timer_in(loop, &q->timer, next_ms > now_ms ? next_ms - now_ms : 0);
}

void consumer_want_figures(struct consumer *c)
{
	struct inquiry *q = &c->inquiry;

	q->wanted_at_ms = loop_now_ms(c->host->loop);
	if (!ev_is_active(&q->timer))
		loop_timer_in(c->host->loop, &q->timer, 0);
}

void figures_start(struct consumer *c)
{
	if (is_wanted(c) && !ev_is_active(&c->inquiry.timer))
		loop_timer_in(c->host->loop, &c->inquiry.timer, FIRST_MS);
}

void figures_init(struct consumer *c)
{
	ev_init(&c->inquiry.timer, on_timer);
	c->inquiry.timer.data = c;
}

void figures_done(struct consumer *c)
{
	ev_timer_stop(loop_ev(c->host->loop), &c->inquiry.timer);
}
