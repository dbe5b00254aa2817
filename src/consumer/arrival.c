/* SPDX-License-Identifier: MIT */
/*
 * What comes in: entries read as new, payloads of entries begun, ids that have become ours. An id
 * that is held already is not started again, whatever way it came.
 */
#include "consumer/stream.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { SLICES_ON_STACK = 128 };

/* A view of a fields reply; `room` is used when it is wide enough. */
struct fields_view {
	struct fields fields;
	struct slice room[SLICES_ON_STACK];
	struct slice *memory; /* when it was not */
};

static void view_fields(struct fields_view *v, const struct reply *r)
{
	size_t n = reply_len(r) & ~(size_t)1;
	struct slice *slices = v->room;

	v->memory = NULL;
	if (n > SLICES_ON_STACK)
		slices = v->memory = xreallocarray(NULL, n, sizeof(*slices));
	for (size_t i = 0; i < n; i++)
		slices[i] = reply_text(&r->array.items[i]);
	v->fields = (struct fields){ .n_pairs = (uint32_t)(n / 2), .slices = slices };
}

static void run(struct stream *s, struct entry *e, const struct fields *f)
{
	struct consumer *c = s->consumer;

	histogram_add(&c->timings.queue, histogram_durations_ms, stream_now_ms(s) - e->ready_at_ms);
	pool_offer(c->pool, e, f);
	entryset_move(&s->entries, e, ENTRY_RUNNING);
}

void arrival_want_turn(struct stream *s)
{
	if (entryset_count(&s->entries, ENTRY_READY) && !list_listed(&s->ready_node))
		list_append(&s->consumer->ready, &s->ready_node);
}

/* Nobody is before it and a handler is free: no copy of the payload is made. */
static bool can_run_at_once(const struct stream *s, const struct entry *e)
{
	const struct consumer *c = s->consumer;

	return c->totals.in[ENTRY_READY] == 1 && !e->suspect && trial_is_over(c) &&
	       !consumer_is_halted(c) && lease_is_fresh(s, e) && pool_room(c->pool) > 0;
}

void arrival_oversize(struct stream *s, struct entry *e, uint64_t bytes)
{
	const struct consumer *c = s->consumer;
	struct entryid_text text;
	struct log_fields fields = entry_log_fields(s, e, &text);

	log_event(LEVEL_WARNING, EVENT_VERDICT, &fields, "%llu bytes: more than max_entry_bytes",
	    (unsigned long long)bytes);
	if (!s->dead_letters && e->state == ENTRY_BEGINNING) {
		entryset_wait(&s->entries, e, stream_now_ms(s) + c->settings->retry.max_delay_ms);
	} else if (!s->dead_letters) {
		e->attempts--;
		e->release_delay_ms = c->settings->retry.max_delay_ms;
		entryset_move(&s->entries, e, ENTRY_RELEASING);
	} else {
		e->dead_reason = DEAD_OVERSIZE;
		entryset_move(&s->entries, e, ENTRY_BURYING);
	}
	settle_soon(s);
}

/* e is READY and its payload is here: on to a handler, or kept until its guard key has been looked
 * up, or one is free. */
static void admit(struct stream *s, struct entry *e, const struct reply *r)
{
	struct fields_view v;
	size_t bytes;

	e->ready_at_ms = stream_now_ms(s);
	view_fields(&v, r);
	bytes = fields_bytes(&v.fields);
	largest_add(&s->reader.largest, bytes);
	if (bytes > s->consumer->settings->max_entry_bytes) {
		arrival_oversize(s, e, bytes);
	} else {
		entryset_account(&s->entries, e, bytes);
		if (once_guards(s, e, &v.fields)) {
			e->payload = fields_pack(&v.fields);
			entryset_move(&s->entries, e, ENTRY_CHECKING);
			settle_soon(s);
		} else if (can_run_at_once(s, e)) {
			run(s, e, &v.fields);
		} else {
			e->payload = fields_pack(&v.fields);
			arrival_want_turn(s);
		}
	}
	free(v.memory);
	lease_watch(s);
}

static void set_up(struct stream *s, struct entry *e, enum entry_source source, uint32_t attempts)
{
	e->origin = &s->origin;
	e->stream = s;
	e->source = (uint8_t)source;
	e->attempts = attempts;
}

void arrival_new(struct stream *s, const struct reply *entry, uint64_t fresh_at_ms)
{
	struct entryid id;
	const struct reply *fields;
	struct entry *e;

	if (reply_entry(entry, &id, &fields)) {
		conn_drop(s->reader.conn, "XREADGROUP answered with something that is no entry");
		return;
	}
	s->reader.last_id = id;
	s->consumer->stats.read_new++;
	/* Redis gives an id out again after a failover; the run that is under way is its run. */
	if (entryset_find(&s->entries, id))
		return;
	e = entryset_add_ready(&s->entries, id, fresh_at_ms);
	set_up(s, e, SOURCE_NEW, 1);
	if (fields->type == REPLY_ARRAY) {
		admit(s, e, fields);
		return;
	}
	e->dead_reason = DEAD_TRIMMED;
	entryset_move(&s->entries, e, ENTRY_BURYING);
	settle_soon(s);
	lease_watch(s);
}

void arrival_begun(struct stream *s, struct entry *e, const struct reply *fields)
{
	entryset_move(&s->entries, e, ENTRY_READY);
	admit(s, e, fields);
}

void arrival_owned(struct stream *s, struct entryid id, uint32_t attempts, enum entry_source source)
{
	struct consumer *c = s->consumer;
	struct entry *e;
	struct entryid_text text;
	struct log_fields fields;

	if (entryset_find(&s->entries, id))
		return;
	e = entryset_add_waiting(&s->entries, id, stream_now_ms(s));
	set_up(s, e, source, attempts);
	/* The idle time of what was ours already goes on: it is renewed before long. */
	if (source == SOURCE_RECOVERED)
		e->fresh_at_ms = 0;
	fields = entry_log_fields(s, e, &text);
	log_event(LEVEL_INFO, source == SOURCE_CLAIMED ? EVENT_CLAIMED : EVENT_RECOVERED, &fields,
	    source == SOURCE_CLAIMED ? "taken over from a consumer that has let it lie"
	                             : "our own, found pending");
	if (policy_kills_daemons(&c->policy, attempts)) {
		e->dead_reason = DEAD_ATTEMPTS;
		entryset_move(&s->entries, e, ENTRY_BURYING);
		settle_soon(s);
	} else {
		begin_watch(s);
	}
	lease_watch(s);
}

void arrival_gone(struct stream *s, struct entryid id, uint32_t attempts)
{
	struct entry *e;

	if (entryset_find(&s->entries, id))
		return;
	e = entryset_add_waiting(&s->entries, id, stream_now_ms(s));
	set_up(s, e, SOURCE_CLAIMED, attempts);
	verdict_trimmed(s, e);
}

/* Hands over the first READY entry of the stream; false when it cannot be now. */
static bool hand_over_one(struct stream *s)
{
	struct entry *e = entryset_first(&s->entries, ENTRY_READY);
	struct fields f;

	assert(e && e->payload);
	if (e->suspect && !pool_room_alone(s->consumer->pool))
		return false;
	f = fields_unpacked(e->payload);
	run(s, e, &f);
	return true;
}

static void hand_over_for_trial(struct consumer *c)
{
	struct entry *e = pool_room(c->pool) > 0 ? trial_candidate(c) : NULL;
	struct fields f;

	if (!e || (e->suspect && !pool_room_alone(c->pool)))
		return;
	f = fields_unpacked(e->payload);
	breaker_try(&c->breaker, trial_key(e));
	run(e->stream, e, &f);
}

static void hand_over_all(struct consumer *c)
{
	while (!list_empty(&c->ready) && pool_room(c->pool) > 0) {
		struct stream *s = container_of(list_first(&c->ready), struct stream, ready_node);
		struct entry *e = entryset_first(&s->entries, ENTRY_READY);

		list_remove(&c->ready, &s->ready_node);
		/* A stale lease is renewed first; the renewal puts the stream back on the list. */
		if (!e || !lease_is_fresh(s, e))
			continue;
		/* A suspect waits for a worker of its own, and everything else waits with it:
		 * otherwise no worker would ever be empty. */
		if (!hand_over_one(s)) {
			list_prepend(&c->ready, &s->ready_node);
			return;
		}
		arrival_want_turn(s);
	}
}

void arrival_hand_over(struct consumer *c)
{
	if (trial_is_over(c))
		hand_over_all(c);
	else
		hand_over_for_trial(c);
}
