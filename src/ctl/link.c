/* SPDX-License-Identifier: MIT */
/*
 * Turns the loop until what was asked for is there. A reply lives as long as its callback only, so
 * it is copied into an arena of the link.
 */
#include "ctl/link.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "redis/sentinel.h"
#include "redis/tls.h"

enum {
	RETRY_MS = 100,
	/* A key that moves, a failover, a server that loads its data: over within this time, or
	   told. */
	PATIENCE_MS = 10000,
	/* An interrupt waits so long for an answer that only tells something: then those who asked
	   end in good order. */
	HUNG_MS = 500,
};

struct link {
	struct loop *loop;
	struct resolver *resolver;
	struct redis_host redis;
	struct keyspace *keyspace;
	struct arena answers;
	const struct reply *answer;
	bool is_answered;
	uintptr_t n_asked; /* the number of the question that is waited for */
	ev_timer timer;
};

/* ---- life */

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
	struct link *l = w->data;

	(void)ev;
	(void)events;
	loop_stop(l->loop);
}

struct link *link_new(const struct redis_settings *settings)
{
	struct link *l = xcalloc(1, sizeof(*l));

	l->loop = loop_new();
	l->resolver = resolver_new(l->loop);
	l->redis = (struct redis_host){
		.loop = l->loop,
		.resolver = l->resolver,
		.settings = settings,
		.dice = clock_mono_us(),
	};
	if (settings->sentinel.master)
		l->redis.sentinels = sentinels_new(l->loop, l->resolver, settings);
	l->keyspace = keyspace_new(&l->redis, "sluicectl");
	arena_init(&l->answers, &l->redis.decoders.arenas);
	ev_init(&l->timer, on_timer);
	l->timer.data = l;
	if (l->redis.sentinels)
		sentinels_open(l->redis.sentinels);
	keyspace_open(l->keyspace);
	return l;
}

void link_free(struct link *l)
{
	if (!l)
		return;
	ev_timer_stop(loop_ev(l->loop), &l->timer);
	keyspace_close(l->keyspace);
	keyspace_free(l->keyspace);
	sentinels_free(l->redis.sentinels);
	arena_reset(&l->answers);
	redis_host_done(&l->redis);
	resolver_free(l->resolver);
	loop_free(l->loop);
	free(l);
}

struct loop *link_loop(struct link *l)
{
	return l->loop;
}

void link_turn(struct link *l, uint64_t ms)
{
	loop_timer_in(l->loop, &l->timer, ms);
	loop_run(l->loop);
	ev_timer_stop(loop_ev(l->loop), &l->timer);
}

void link_pause(struct link *l, uint64_t ms)
{
	uint64_t now_ms = clock_mono_ms(), end_ms = now_ms + ms;

	for (; now_ms < end_ms && !interrupted(); now_ms = clock_mono_ms())
		link_turn(l, end_ms - now_ms < RETRY_MS ? end_ms - now_ms : RETRY_MS);
}

static void on_input(struct ev_loop *ev, ev_io *w, int events)
{
	struct link *l = w->data;

	(void)ev;
	(void)events;
	loop_stop(l->loop);
}

void link_turn_for_input(struct link *l, int fd, uint64_t ms)
{
	ev_io io;

	ev_io_init(&io, on_input, fd, EV_READ);
	io.data = l;
	ev_io_start(loop_ev(l->loop), &io);
	link_turn(l, ms);
	ev_io_stop(loop_ev(l->loop), &io);
}

/* ---- places */

static void on_change(struct home *h)
{
	struct place *p = h->owner;

	loop_stop(p->link->loop);
}

/* Sentinels and the nodes of a Cluster are many: one that fails says little. */
static bool is_hopeless(const struct place *p)
{
	const struct redis_settings *s = p->link->redis.settings;

	return !p->was_up && !s->cluster && !s->sentinel.master && home_has_tried(&p->home);
}

static int wait_up(struct place *p, struct fault *ret_why)
{
	uint64_t end_ms = clock_mono_ms() + p->link->redis.settings->connect_timeout_ms;

	while (!home_is_up(&p->home)) {
		if (interrupted())
			return -EINTR;
		if (is_hopeless(p) || clock_mono_ms() >= end_ms) {
			const char *why = home_last_fault(&p->home);

			fault_set(ret_why, "%s", *why ? why : "it does not answer");
			return -ENOTCONN;
		}
		link_turn(p->link, RETRY_MS);
	}
	p->was_up = true;
	return 0;
}

/* What the user knows the server by. */
static char *server_name(const struct redis_settings *s)
{
	if (s->sentinel.master)
		return xasprintf("the primary of \"%s\"", s->sentinel.master);
	if (s->cluster)
		return xstrdup("the Cluster");
	return redisurl_format(&s->url);
}

static int complain_of(const struct link *l, int r, const struct fault *why)
{
	char *name = server_name(l->redis.settings);

	if (fault_is_set(why))
		complain("no connection to %s: %s", name, why->why);
	free(name);
	return r;
}

int place_ready(struct place *p)
{
	struct fault why = { 0 };

	return complain_of(p->link, wait_up(p, &why), &why);
}

int place_open(struct link *l, const char *key, struct place *ret_place)
{
	struct fault why = { 0 };

	return complain_of(l, place_try(l, key, ret_place, &why), &why);
}

int place_try(struct link *l, const char *key, struct place *ret_place, struct fault *ret_why)
{
	int r;

	*ret_place = (struct place){
		.link = l,
		.home = { .key = key,
		    .owner = ret_place,
		    .on_up = on_change,
		    .on_down = on_change },
	};
	home_join(l->keyspace, &ret_place->home);
	r = wait_up(ret_place, ret_why);
	if (r)
		place_close(ret_place);
	return r;
}

void place_close(struct place *p)
{
	home_leave(&p->home);
	buf_done(&p->command);
	*p = (struct place){ 0 };
}

/* ---- commands */

struct buf *place_command(struct place *p, size_t n_args)
{
	p->only_reads = false;
	buf_clear(&p->command);
	command_open(&p->command, n_args);
	return &p->command;
}

void place_reads(struct place *p)
{
	p->only_reads = true;
}

void place_words(struct place *p, const char *first, ...)
{
	size_t n_words = 0;
	va_list args;

	va_start(args, first);
	for (const char *word = first; word; word = va_arg(args, const char *))
		n_words++;
	va_end(args);
	place_command(p, n_words);
	place_reads(p);
	va_start(args, first);
	for (const char *word = first; word; word = va_arg(args, const char *))
		command_text(&p->command, word);
	va_end(args);
}

struct buf *place_eval(struct place *p, const char *text, size_t n_keys, size_t n_args)
{
	struct buf *out = place_command(p, 3 + n_keys + n_args);

	command_text(out, "EVAL");
	command_text(out, text);
	command_u64(out, n_keys);
	return out;
}

static struct slice copy_text(struct arena *a, struct slice text)
{
	char *copy = arena_take(a, text.len + 1);

	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	return (struct slice){ copy, text.len };
}

/* As deep as the decoder lets a reply be. */
static void copy_reply(struct arena *a, const struct reply *from, struct reply *to)
{
	*to = *from;
	if (from->type == REPLY_ARRAY) {
		to->array.items = arena_take(a, from->array.len * sizeof(*to));
		for (size_t i = 0; i < from->array.len; i++)
			copy_reply(a, &from->array.items[i], &to->array.items[i]);
	} else if (from->type != REPLY_NIL && from->type != REPLY_INTEGER) {
		to->text = copy_text(a, from->text);
	}
}

static void on_answer(void *owner, void *request, const struct reply *reply)
{
	struct place *p = owner;
	struct link *l = p->link;
	struct reply *copy;

	/* To a question that was given up. */
	if ((uintptr_t)request != l->n_asked)
		return;
	l->is_answered = true;
	loop_stop(l->loop);
	if (!reply)
		return;
	copy = arena_take(&l->answers, sizeof(*copy));
	copy_reply(&l->answers, reply, copy);
	l->answer = copy;
}

static void send_question(struct place *p)
{
	struct link *l = p->link;
	struct slice command = buf_slice(&p->command);

	arena_reset(&l->answers);
	l->answer = NULL;
	l->is_answered = false;
	l->n_asked++;
	assert(command.data);
	buf_append(home_out(&p->home), command.data, command.len);
	home_expect(&p->home, on_answer, (void *)l->n_asked);
}

static int exchange(struct place *p)
{
	uint64_t hung_at_ms = clock_mono_ms() + HUNG_MS;
	struct link *l = p->link;

	send_question(p);
	while (!l->is_answered) {
		if (p->only_reads && interrupted() && clock_mono_ms() >= hung_at_ms) {
			l->n_asked++;
			complain("interrupted while Redis did not answer");
			return -EINTR;
		}
		link_turn(l, RETRY_MS);
	}
	if (!l->answer)
		complain("the connection to Redis was lost: whether the last command was carried "
		         "out is not known");
	return l->answer ? 0 : -ENOTCONN;
}

bool place_is_passing(struct place *p, const struct reply *answer)
{
	enum redis_error class;

	if (!reply_is_error(answer))
		return false;
	class = redis_error_class(answer->text);
	if (class != REDIS_MOVED && class != REDIS_TEMPORARY && class != REDIS_READONLY)
		return false;
	home_heard_error(&p->home, class, answer->text);
	return true;
}

const struct reply *ask(struct place *p)
{
	uint64_t end_ms = clock_mono_ms() + PATIENCE_MS;

	for (;;) {
		const struct reply *r;

		if (place_ready(p) || exchange(p))
			return NULL;
		r = p->link->answer;
		if (!place_is_passing(p, r) || clock_mono_ms() >= end_ms || interrupted())
			return r;
		link_pause(p->link, RETRY_MS);
	}
}

/* Redis 7 adds the place in a script, which tells the user nothing. */
static struct slice without_script(struct slice text)
{
	const char *at = text.len ? memmem(text.data, text.len, " script: ", 9) : NULL;

	return at ? (struct slice){ text.data, (size_t)(at - text.data) } : text;
}

void place_complain(const struct place *p, const struct reply *error)
{
	struct slice text = without_script(reply_text(error));

	complain("%s: Redis says: %.*s", p->home.key, (int)text.len, text.data);
}

const struct reply *ask_well(struct place *p)
{
	const struct reply *r = ask(p);

	if (!reply_is_error(r))
		return r;
	place_complain(p, r);
	return NULL;
}

/* ---- many at once */

struct sent {
	answer_fn *on_answer;
	void *owner;
};

static void on_sent_answer(void *owner, void *request, const struct reply *reply)
{
	struct place *p = owner;
	struct sent sent = *(struct sent *)request;

	free(request);
	p->n_unanswered--;
	loop_stop(p->link->loop);
	sent.on_answer(sent.owner, reply);
}

void place_send(struct place *p, answer_fn *on_answer_, void *owner)
{
	struct sent sent = { .on_answer = on_answer_, .owner = owner };
	struct slice command = buf_slice(&p->command);

	if (!home_is_up(&p->home)) {
		on_answer_(owner, NULL);
		return;
	}
	p->n_unanswered++;
	assert(command.data);
	buf_append(home_out(&p->home), command.data, command.len);
	home_expect(&p->home, on_sent_answer, xmemdup(&sent, sizeof(sent)));
}

int place_wait(struct place *p, size_t n_unanswered)
{
	while (p->n_unanswered > n_unanswered && home_is_up(&p->home))
		link_turn(p->link, PATIENCE_MS);
	return home_is_up(&p->home) ? 0 : -ENOTCONN;
}
