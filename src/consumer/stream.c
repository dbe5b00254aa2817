/* SPDX-License-Identifier: MIT */
/* One stream: its birth and death, and what its parts share. */
#include "consumer/stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "core/origin.h"
#include "redis/command.h"

enum {
	PAUSE_FIRST_MS = 100,
	PAUSE_LONGEST_MS = 10000,
	PAUSE_PASSING_MS = 2000,
	ERROR_LOG_MS = 10000,
	COMPLAINT_BYTES_MAX = 159
};

void stream_init(struct stream *s, struct consumer *c, const char *name)
{
	const struct consumer_settings *settings = c->settings;

	s->consumer = c;
	s->name = xstrdup(name);
	s->dead_letters = deadletter_stream(&settings->dead_letter, name);
	s->origin =
	    (struct origin){ .stream = s->name, .group = c->group, .consumer = c->name_in_group };
	s->origin.json = origin_json_new(s->origin.stream, s->origin.group, s->origin.consumer,
	    &s->origin.json_len);
	entryset_init(&s->entries, &c->totals);
	group_init(s);
	reader_init(s);
	settler_init(s);
	once_init(s);
	begin_init(s);
	lease_init(s);
	sweeper_init(s);
	recovery_init(s);
	name_check_init(s);
	retention_init(s);
}

static void end_pauses(struct stream *s)
{
	pause_end(&s->group.pause, s);
	pause_end(&s->reader.pause, s);
	pause_end(&s->settler.pause, s);
	pause_end(&s->once.pause, s);
	pause_end(&s->undertaker.pause, s);
	pause_end(&s->releaser.pause, s);
	pause_end(&s->beginner.pause, s);
}

/* The server that serves the stream is there: the same as before, or another. */
static void on_home_up(struct home *h)
{
	struct stream *s = h->owner;

	end_pauses(s);
	reader_follow(s);
	lease_renew_all(s);
	group_ensure(s);
	settle_soon(s);
	begin_watch(s);
	sweeper_start(s);
	retention_start(s);
	consumer_wake(s->consumer);
}

static void on_home_down(struct home *h)
{
	struct stream *s = h->owner;

	s->group.state = s->group.state == GROUP_STOPPED ? GROUP_STOPPED : GROUP_UNKNOWN;
	settler_reset(s);
	releaser_reset(s);
	lease_stop(s);
	sweeper_stop(s);
	recovery_stop(s);
	name_check_stop(s);
	retention_stop(s);
	reader_place(s);
}

void stream_start(struct stream *s)
{
	reader_open(s);
	s->home = (struct home){ .key = s->name,
		.owner = s,
		.on_up = on_home_up,
		.on_down = on_home_down };
	home_join(s->consumer->host->keyspace, &s->home);
	undertaker_start(s);
}

void stream_done(struct stream *s)
{
	home_leave(&s->home);
	home_leave(&s->undertaker.home);
	reader_done(s);
	begin_done(s);
	lease_done(s);
	sweeper_done(s);
	recovery_stop(s);
	name_check_done(s);
	retention_done(s);
	pause_done(&s->group.pause, s);
	settler_done(s);
	once_done(s);
	entryset_done(&s->entries);
	free(s->complaint.text);
	free(s->origin.json);
	free(s->dead_letters);
	free(s->name);
}

struct log_fields stream_log_fields(const struct stream *s)
{
	return (struct log_fields){
		.consumer = s->consumer->settings->name,
		.stream = s->name,
		.group = s->consumer->settings->group,
	};
}

struct log_fields entry_log_fields(const struct stream *s, const struct entry *e,
    struct entryid_text *text)
{
	struct log_fields fields = stream_log_fields(s);

	*text = entryid_text(e->id);
	fields.entry_id = text->text;
	fields.attempt = log_number(e->attempts);
	return fields;
}

/* The same error, again and again, is worth a line now and then. */
static bool worth_a_line(struct stream *s, enum redis_error class)
{
	uint64_t held_back;

	if (class != s->last_error)
		s->error_log = (struct log_limit){ 0 };
	s->last_error = class;
	return log_limit_pass(&s->error_log, stream_now_ms(s), ERROR_LOG_MS, &held_back);
}

static bool holds(const struct reply *r, const char *words)
{
	return memmem(r->text.data, r->text.len, words, strlen(words));
}

static void log_redis_error(struct stream *s, const char *what, const struct reply *r,
    enum redis_error class)
{
	bool needs_person = class == REDIS_AUTH || class == REDIS_WRONGTYPE;
	bool about_keys = class == REDIS_AUTH && holds(r, " key");
	const char *dead_letters = about_keys ? s->dead_letters : NULL;
	const char *guards = about_keys && s->once.pattern ? s->consumer->settings->once.key : NULL;
	struct log_fields fields = stream_log_fields(s);

	/* Redis does not say which key: the stream stands in the fields, these are the others. */
	if (worth_a_line(s, class))
		log_event(needs_person ? LEVEL_ERROR : LEVEL_WARNING, EVENT_REDIS_ERROR, &fields,
		    "%s: %.*s%s%s%s%s", what, (int)r->text.len, r->text.data,
		    dead_letters ? "; dead letters go to " : "", dead_letters ? dead_letters : "",
		    guards ? "; guard keys: " : "", guards ? guards : "");
}

/* NOPERM names the command that it is about, 'eval' or 'evalsha'. Where the commands have been
 * renamed they are unknown; up to 6.2 the name stands between other quotes. */
static bool refuses_scripts(const struct reply *r, enum redis_error class)
{
	if (class == REDIS_UNSUPPORTED)
		return holds(r, "unknown command 'EVAL") || holds(r, "unknown command `EVAL");
	return class == REDIS_AUTH && holds(r, "'eval");
}

bool stream_script_refused(struct stream *s, const struct reply *r)
{
	struct log_fields fields = stream_log_fields(s);

	if (!refuses_scripts(r, redis_error_class(r->text)))
		return false;
	if (!home_may_script(&s->home))
		return true;
	home_scripts_refused(&s->home);
	log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, &fields,
	    "%.*s: plain commands are used instead of scripts; an entry that another claims in the "
	    "round trip between look and deed may be taken back from it",
	    (int)r->text.len, r->text.data);
	return true;
}

void stream_complained(struct stream *s, enum redis_error class, struct slice text)
{
	struct complaint *c = &s->complaint;

	s->consumer->redis_errors[class]++;
	c->class = class;
	c->at_ms = stream_now_ms(s);
	free(c->text);
	c->text =
	    xstrndup(text.data, text.len < COMPLAINT_BYTES_MAX ? text.len : COMPLAINT_BYTES_MAX);
}

enum redis_error stream_note_error(struct stream *s, const char *what, const struct reply *r)
{
	enum redis_error class = redis_error_class(r->text);

	stream_complained(s, class, r->text);
	if (stream_script_refused(s, r))
		return REDIS_NOSCRIPT;
	if (class == REDIS_NOSCRIPT)
		home_scripts_forgotten(&s->home);
	else if (class == REDIS_NOGROUP)
		group_vanished(s, r);
	else
		log_redis_error(s, what, r, class);
	return class;
}

enum redis_error stream_redis_error(struct stream *s, const char *what, const struct reply *r)
{
	enum redis_error class = stream_note_error(s, what, r);

	home_heard_error(&s->home, class, r->text);
	return class;
}

struct loop *stream_loop(const struct stream *s)
{
	return s->consumer->host->loop;
}

uint64_t stream_now_ms(const struct stream *s)
{
	return loop_now_ms(stream_loop(s));
}

void pause_init(struct pause *p, struct stream *s,
    void (*on_over)(struct ev_loop *ev, ev_timer *w, int events))
{
	p->backoff = (struct backoff){ .initial_ms = PAUSE_FIRST_MS, .max_ms = PAUSE_LONGEST_MS };
	ev_init(&p->timer, on_over);
	p->timer.data = s;
}

bool pause_is_on(const struct pause *p)
{
	return ev_is_active(&p->timer);
}

/* What ends without a change here, and without a word: a Cluster that is down, replicas that are
 * missing. Work is to go on soon after, however long it took. */
static bool passes_by_itself(enum redis_error class)
{
	return class == REDIS_TEMPORARY || class == REDIS_NO_WRITES || class == REDIS_READONLY ||
	       class == REDIS_MOVED;
}

void pause_start(struct pause *p, struct stream *s)
{
	uint64_t dice = rng_next(&s->consumer->host->rng);
	bool passes = passes_by_itself(s->complaint.class);

	p->backoff.max_ms = passes ? PAUSE_PASSING_MS : PAUSE_LONGEST_MS;
	/* What was sent together is refused together: that counts once. */
	if (!pause_is_on(p))
		loop_timer_in(stream_loop(s), &p->timer, backoff_next_ms(&p->backoff, dice));
}

void pause_reset(struct pause *p)
{
	backoff_reset(&p->backoff);
}

void pause_end(struct pause *p, struct stream *s)
{
	ev_timer_stop(loop_ev(stream_loop(s)), &p->timer);
	pause_reset(p);
}

void pause_done(struct pause *p, struct stream *s)
{
	ev_timer_stop(loop_ev(stream_loop(s)), &p->timer);
}

static int by_id(const void *a, const void *b)
{
	const struct entryid *x = a, *y = b;

	return entryid_compare(*x, *y);
}

void id_batch_sort(struct id_batch *b)
{
	qsort(b->items, b->len, sizeof(b->items[0]), by_id);
}

struct id_batch *id_batch_new(struct stream *s, size_t cap)
{
	struct id_batch *b = xmalloc(sizeof(*b) + cap * sizeof(b->items[0]));

	b->sent_at_ms = stream_now_ms(s);
	b->len = 0;
	return b;
}
