/* SPDX-License-Identifier: MIT */
/*
 * Keeps what is held ours: every entry is renewed about each third of claim.min_idle, in batches,
 * by a script that checks the owner first. The set's order of freshness is the work list; renewals
 * are spread over the interval, and what finishes soon is never renewed at all.
 *
 * What only waits for its retry is put off until five eighths of the lease are over: the owner is
 * looked at before its run in any case, so a late renewal can cost it nothing but its delay. A
 * stall that is just too short to be noticed, a third of the lease, still leaves it ours.
 */
#include <stdlib.h>

#include "consumer/look.h"
#include "consumer/stream.h"
#include "redis/command.h"

enum {
	/* 0.4 ms of the server's time; what is sent in a row other clients wait for together. */
	BATCH_MAX = 100,
	ASKED_MAX = 2, /* batches without a reply */
	TICKS = 16,    /* of an interval */
};

/* How many may be renewed that are not due yet. */
struct quota {
	size_t active, waiting;
};

static void renew(struct stream *s, struct quota quota);

static uint64_t lease_ms(const struct stream *s)
{
	return s->consumer->settings->claim.min_idle_ms;
}

static uint64_t interval_ms(const struct stream *s)
{
	return lease_ms(s) / 3;
}

static uint64_t waiting_interval_ms(const struct stream *s)
{
	return lease_ms(s) * 5 / 8;
}

static struct entry *stalest_of(const struct list *leases)
{
	struct list_node *node = list_first(leases);

	return node ? container_of(node, struct entry, lease_node) : NULL;
}

static uint64_t age_ms(const struct stream *s, const struct entry *e)
{
	uint64_t now_ms = stream_now_ms(s);

	return now_ms > e->fresh_at_ms ? now_ms - e->fresh_at_ms : 0;
}

bool lease_is_fresh(const struct stream *s, const struct entry *e)
{
	return age_ms(s, e) < lease_ms(s) * 2 / 3;
}

/* ---- replies ---- */

static void each_of(struct stream *s, const struct reply *ids,
    void (*tell)(struct stream *s, struct entry *e))
{
	for (size_t i = 0; i < reply_len(ids); i++) {
		struct entryid id;
		struct entry *e;

		if (entryid_parse(reply_text(reply_at(ids, i)), &id))
			continue;
		e = entryset_find(&s->entries, id);
		/* What is acknowledged or given back has left the lease behind. */
		if (e && e->state != ENTRY_ACKING && e->state != ENTRY_RELEASING)
			tell(s, e);
	}
}

static void belongs_to_another(struct stream *s, struct entry *e)
{
	/* The begin and bury scripts see for themselves, and answer for the state they are in. */
	if (e->state != ENTRY_BEGINNING && e->state != ENTRY_BURYING)
		verdict_lease_lost(s, e, "another consumer");
}

/*
 * Another has acknowledged it, or the group was made anew and will deliver it again. What runs is
 * told by its acknowledgement; what is to run must not go by what it was read with, but begins in
 * the way in which everything else does: with a look.
 */
static void belongs_to_nobody(struct stream *s, struct entry *e)
{
	if (e->state != ENTRY_READY && e->state != ENTRY_CHECKING)
		return;
	if (e->attempts)
		e->attempts--;
	entryset_wait(&s->entries, e, stream_now_ms(s));
	begin_watch(s);
}

static void renewed(struct stream *s, const struct id_batch *b, const struct reply *r)
{
	for (size_t i = 0; i < b->len; i++) {
		struct entry *e = entryset_find(&s->entries, b->items[i].id);

		if (e && e->fresh_at_ms < b->sent_at_ms)
			entryset_freshen(&s->entries, e, b->sent_at_ms);
	}
	each_of(s, reply_at(r, 0), belongs_to_another);
	each_of(s, reply_at(r, 1), belongs_to_nobody);
	each_of(s, reply_at(r, 2), verdict_trimmed);
	arrival_want_turn(s);
}

static void no_longer_renewing(struct stream *s, const struct id_batch *b)
{
	for (size_t i = 0; i < b->len; i++) {
		struct entry *e = entryset_find(&s->entries, b->items[i].id);

		if (e)
			e->renewing = false;
	}
}

/* Not at once again: what the server refuses now it will refuse in a moment. */
static void refused(struct stream *s, const struct reply *r)
{
	uint64_t tick_ms = interval_ms(s) / 4;

	if (stream_redis_error(s, "renewing leases", r) != REDIS_NOSCRIPT)
		loop_timer_in(stream_loop(s), &s->lease.timer, tick_ms);
}

static void on_renew_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct id_batch *b = request;

	if (s->lease.n_asked)
		s->lease.n_asked--;
	no_longer_renewing(s, b);
	if (r && reply_is_error(r))
		refused(s, r);
	else if (r)
		renewed(s, b, r);
	free(b);
	if (r && !reply_is_error(r))
		renew(s, (struct quota){ 0 });
	lease_watch(s);
	consumer_wake(s->consumer);
}

/* ---- requests ---- */

static void renew_looked_at(struct stream *s, const struct look *l)
{
	struct entry *e = entryset_find(&s->entries, l->id);

	if (!e)
		return;
	e->renewing = false;
	if (e->state == ENTRY_ACKING || e->state == ENTRY_RELEASING)
		return;
	if (l->answer == LOOK_OURS) {
		look_claim(s,
		    &(struct look_claim){ .id = l->id, .words = (const char *const[]){ NULL } },
		    look_claim_told, NULL);
		entryset_freshen(&s->entries, e, l->asked_at_ms);
		arrival_want_turn(s);
	} else if (l->answer == LOOK_ANOTHERS) {
		belongs_to_another(s, e);
	} else if (l->answer == LOOK_NOBODYS) {
		belongs_to_nobody(s, e);
	} else if (l->answer == LOOK_GONE) {
		verdict_trimmed(s, e);
	}
}

static void renew_without_script(struct stream *s, const struct id_batch *b)
{
	for (size_t i = 0; i < b->len; i++)
		look_at(s, b->items[i].id, renew_looked_at);
}

static void send_renewal(struct stream *s, struct id_batch *b)
{
	struct buf *out;

	id_batch_sort(b);
	out = home_script(&s->home, SCRIPT_RENEW, 1, 2 + b->len);
	command_text(out, s->name);
	command_text(out, s->origin.group);
	command_text(out, s->origin.consumer);
	for (size_t i = 0; i < b->len; i++)
		command_id(out, b->items[i].id);
	home_expect(&s->home, on_renew_reply, b);
	s->lease.n_asked++;
}

/* What comes behind an entry that is being renewed is on its way as well: each goes to the end of
 * the line when sent. */
static bool is_due(const struct stream *s, const struct entry *e, uint64_t within_ms)
{
	return !e->renewing &&
	       (e->fresh_at_ms < s->lease.all_before_ms || age_ms(s, e) >= within_ms);
}

static bool can_be_put_off(const struct stream *s, const struct entry *e)
{
	return e->state == ENTRY_WAITING && !e->renewing && age_ms(s, e) >= interval_ms(s) &&
	       !is_due(s, e, waiting_interval_ms(s));
}

static struct entry *due_active(struct stream *s, struct quota *quota)
{
	struct entry *e;

	while ((e = stalest_of(&s->entries.by_freshness)) && can_be_put_off(s, e))
		entryset_put_off_lease(&s->entries, e);
	if (!e || is_due(s, e, interval_ms(s)))
		return e;
	if (!quota->active || e->state == ENTRY_WAITING || !is_due(s, e, interval_ms(s) / 2))
		return NULL;
	quota->active--;
	return e;
}

static struct entry *due_waiting(struct stream *s, struct quota *quota)
{
	struct entry *e = stalest_of(&s->entries.put_off);

	if (!e || is_due(s, e, waiting_interval_ms(s)))
		return e;
	if (!quota->waiting)
		return NULL;
	quota->waiting--;
	return e;
}

/* The next batch of what is due; each entry goes to the end of the line when it is taken. */
static struct id_batch *take_due(struct stream *s, size_t left, struct quota *quota)
{
	struct id_batch *b = id_batch_new(s, BATCH_MAX);
	struct entry *e;

	while (b->len < BATCH_MAX && b->len < left &&
	       ((e = due_active(s, quota)) || (e = due_waiting(s, quota)))) {
		b->items[b->len++].id = e->id;
		e->renewing = true;
		entryset_requeue_lease(&s->entries, e);
	}
	return b;
}

/* Renews what is overdue, and of the rest the quota, as far as replies are not outstanding. */
static void renew(struct stream *s, struct quota quota)
{
	size_t left = entryset_n_leased(&s->entries);

	while (s->lease.n_asked < ASKED_MAX && left) {
		struct id_batch *b = take_due(s, left, &quota);

		if (!b->len) {
			free(b);
			return;
		}
		left -= b->len;
		if (home_may_script(&s->home)) {
			send_renewal(s, b);
			continue;
		}
		renew_without_script(s, b);
		free(b);
	}
}

/* So that all come round in an interval of theirs. */
static struct quota quota_of_tick(const struct stream *s)
{
	size_t n_waiting = entryset_count(&s->entries, ENTRY_WAITING);
	size_t n_active = entryset_n_leased(&s->entries) - n_waiting;

	return (struct quota){ n_active / TICKS + 1,
		n_waiting * interval_ms(s) / waiting_interval_ms(s) / TICKS + 1 };
}

static void on_tick(struct ev_loop *ev, ev_timer *w, int events)
{
	struct stream *s = w->data;

	(void)ev;
	(void)events;
	if (!home_is_up(&s->home))
		return;
	renew(s, quota_of_tick(s));
	lease_watch(s);
}

/* When to look again: a tick later at the soonest, when the stalest entry has half its interval
 * behind it at the latest. */
static uint64_t next_tick_ms(const struct stream *s)
{
	const struct entry *e = stalest_of(&s->entries.by_freshness);
	uint64_t tick_ms = interval_ms(s) / TICKS + 1, half_ms = interval_ms(s) / 2;
	uint64_t left_ms = e && half_ms > age_ms(s, e) ? half_ms - age_ms(s, e) : 0;

	return left_ms > tick_ms && !s->entries.put_off.len ? left_ms : tick_ms;
}

void lease_watch(struct stream *s)
{
	if (ev_is_active(&s->lease.timer) || !home_is_up(&s->home))
		return;
	if (entryset_n_leased(&s->entries))
		loop_timer_in(stream_loop(s), &s->lease.timer, next_tick_ms(s));
}

void lease_renew_all(struct stream *s)
{
	s->lease.all_before_ms = stream_now_ms(s);
	if (home_is_up(&s->home))
		renew(s, (struct quota){ 0 });
	lease_watch(s);
}

void lease_stop(struct stream *s)
{
	s->lease.n_asked = 0;
	ev_timer_stop(loop_ev(stream_loop(s)), &s->lease.timer);
}

void lease_init(struct stream *s)
{
	ev_init(&s->lease.timer, on_tick);
	s->lease.timer.data = s;
}

void lease_done(struct stream *s)
{
	lease_stop(s);
}
