/* SPDX-License-Identifier: MIT */
/*
 * The guard against doing an entry twice: whose key is set was done already, and is acknowledged
 * without a run. What is to run waits, CHECKING, for one MGET of the stream at a time, of whatever
 * has gathered; without an answer nothing runs. settler.c sets the keys.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "consumer/stream.h"
#include "redis/command.h"

enum { BATCH_MAX = 1000 };

/* ---- keys ---- */

bool once_has_key(const struct stream *s, const struct entry *e)
{
	return s->once.pattern && !e->skipped &&
	       (e->guard_key || !guardkey_needs_fields(s->once.pattern));
}

struct slice once_key(const struct stream *s, const struct entry *e, char room[GUARDKEY_MAX_BYTES])
{
	if (e->guard_key)
		return (struct slice){ e->guard_key, e->guard_key_len };
	return (struct slice){ room, guardkey_write(s->once.pattern, e->id, NULL, room) };
}

/* Keeps the key, where it cannot be made again from the id. */
static void keep_key(struct stream *s, struct entry *e, const struct fields *f)
{
	char room[GUARDKEY_MAX_BYTES];
	size_t len = guardkey_write(s->once.pattern, e->id, f, room);

	if (!len)
		return;
	e->guard_key = xstrndup(room, len);
	e->guard_key_len = (uint16_t)len;
}

static void forget_key(struct entry *e)
{
	free(e->guard_key);
	e->guard_key = NULL;
	e->guard_key_len = 0;
}

bool once_guards(struct stream *s, struct entry *e, const struct fields *f)
{
	if (!s->once.pattern)
		return false;
	if (guardkey_needs_fields(s->once.pattern))
		keep_key(s, e, f);
	return once_has_key(s, e);
}

/* ---- the answer ---- */

static void skip(struct stream *s, struct entry *e)
{
	struct consumer *c = s->consumer;

	if (log_enabled(LEVEL_DEBUG)) {
		struct entryid_text text;
		struct log_fields fields = entry_log_fields(s, e, &text);

		log_event(LEVEL_DEBUG, EVENT_VERDICT, &fields,
		    "its guard key is set: acknowledged without a run");
	}
	breaker_lost(&c->breaker, trial_key(e));
	c->stats.once_skipped++;
	e->skipped = true;
	entryset_move(&s->entries, e, ENTRY_ACKING);
}

static void each_decided(struct stream *s, const struct id_batch *b, const struct reply *values)
{
	for (size_t i = 0; i < b->len; i++) {
		struct entry *e = entryset_find(&s->entries, b->items[i].id);

		if (!e || e->state != ENTRY_CHECKING)
			continue;
		if (reply_at(values, i)->type == REPLY_NIL)
			entryset_move(&s->entries, e, ENTRY_READY);
		else
			skip(s, e);
	}
	arrival_want_turn(s);
}

enum redis_error once_redis_error(struct stream *s, const char *what, const struct reply *r)
{
	/* While a slot is being moved, keys that were never there are answered with ASK, wherever
	 * the stream is. */
	if (s->once.pattern && r->text.len >= 4 && memcmp(r->text.data, "ASK ", 4) == 0)
		return stream_note_error(s, what, r);
	return stream_redis_error(s, what, r);
}

static void on_values(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct id_batch *b = request;

	s->once.asked = false;
	if (r && reply_is_error(r)) {
		once_redis_error(s, "looking up guard keys", r);
		pause_start(&s->once.pause, s);
	} else if (r && reply_len(r) != b->len) {
		home_drop(&s->home, "MGET answered with something else than a value for each key");
	} else if (r) {
		pause_reset(&s->once.pause);
		each_decided(s, b, r);
	}
	free(b);
	settle_soon(s);
	consumer_wake(s->consumer);
}

/* ---- the question ---- */

static struct id_batch *take_checking(struct stream *s)
{
	size_t n = entryset_count(&s->entries, ENTRY_CHECKING);
	struct id_batch *b = id_batch_new(s, n < BATCH_MAX ? n : BATCH_MAX);

	list_foreach(&s->entries.in[ENTRY_CHECKING], node) {
		if (b->len == BATCH_MAX)
			break;
		b->items[b->len++].id = container_of(node, struct entry, node)->id;
	}
	return b;
}

static void ask(struct stream *s)
{
	struct id_batch *b = take_checking(s);
	struct buf *out = home_out(&s->home);
	char room[GUARDKEY_MAX_BYTES];

	command_open(out, 1 + b->len);
	command_text(out, "MGET");
	for (size_t i = 0; i < b->len; i++) {
		const struct entry *e = entryset_find(&s->entries, b->items[i].id);

		command_slice(out, once_key(s, e, room));
	}
	home_expect(&s->home, on_values, b);
	s->once.asked = true;
}

void once_flush(struct stream *s)
{
	if (!entryset_count(&s->entries, ENTRY_CHECKING) || s->once.asked)
		return;
	if (home_is_up(&s->home) && !pause_is_on(&s->once.pause) &&
	    !consumer_is_halted(s->consumer))
		ask(s);
}

/* ---- life ---- */

static void compile(struct stream *s)
{
	const struct once_settings *o = &s->consumer->settings->once;

	guardkey_free(s->once.pattern);
	s->once.pattern = o->ttl_ms ? guardkey_new(o->key, s->name, s->origin.group) : NULL;
}

static void on_pause_over(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	settle_soon(w->data);
}

void once_settings_changed(struct stream *s)
{
	compile(s);
	list_foreach_safe(&s->entries.in[ENTRY_CHECKING], node) {
		struct entry *e = container_of(node, struct entry, node);
		struct fields f = fields_unpacked(e->payload);

		forget_key(e);
		if (!once_guards(s, e, &f))
			entryset_move(&s->entries, e, ENTRY_READY);
	}
	arrival_want_turn(s);
}

void once_init(struct stream *s)
{
	pause_init(&s->once.pause, s, on_pause_over);
	compile(s);
}

void once_done(struct stream *s)
{
	pause_done(&s->once.pause, s);
	guardkey_free(s->once.pattern);
}
