/* SPDX-License-Identifier: MIT */
/*
 * The one way to begin a run of anything that was not read as new: a script, in batches, just
 * before the hand-over. It checks that the entry is still ours and still there, writes the number
 * of the run into the group's delivery count, and brings the payload.
 *
 * What is larger than the server's client-output-buffer-limit it does not send: it closes the
 * connection, which all streams share, every time. So after a reply that never came the sizes are
 * asked for first, and what is not small is fetched with nothing else of the stream on its way.
 * When that is lost as well, again and again, the entry is put aside for longer and longer: still
 * pending, still held, and in nobody's way.
 */
#include <stdio.h>
#include <stdlib.h>

#include "consumer/look.h"
#include "consumer/stream.h"
#include "redis/command.h"

enum { BATCH_MAX = 100, BATCHES_AT_ONCE = 4, TRIAL_BATCH = 2 };
enum { SMALL_BYTES = 64 * 1024, DAY_MS = 24 * 60 * 60 * 1000 };

/* How often an entry was not fetched, and what follows. */
enum {
	UNFETCHED_SUSPECT = 1, /* only if it is small */
	UNFETCHED_LARGE = 2,   /* alone */
	UNFETCHED_FOR_NOW = 4, /* not any more, for some time */
};

static uint64_t due_in_ms(const struct stream *s, const struct entry *e)
{
	uint64_t now_ms = stream_now_ms(s);

	return e->due.key > now_ms ? e->due.key - now_ms : 0;
}

void begin_watch(struct stream *s)
{
	struct entry *e = entryset_first_due(&s->entries);
	struct consumer *c = s->consumer;

	if (!e || consumer_is_halted(c) || list_listed(&s->beginner.node))
		return;
	if (due_in_ms(s, e) > 0) {
		loop_timer_in(stream_loop(s), &s->beginner.timer, due_in_ms(s, e));
		return;
	}
	list_append(&c->due, &s->beginner.node);
	consumer_wake(c);
}

static void on_due(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	begin_watch(w->data);
}

/* Back to waiting: the same run is tried again, with the same number. */
static void not_begun(struct stream *s, struct entry *e)
{
	entryset_wait(&s->entries, e, stream_now_ms(s));
}

/* ---- what never arrives ---- */

static bool goes_alone(const struct entry *e)
{
	return e->n_unfetched >= UNFETCHED_LARGE;
}

static uint64_t put_aside_for_ms(const struct stream *s, const struct entry *e)
{
	uint64_t delay_ms = s->consumer->settings->retry.max_delay_ms;

	for (int n = UNFETCHED_FOR_NOW; n < e->n_unfetched && delay_ms < DAY_MS; n++)
		delay_ms *= 2;
	return delay_ms;
}

static void put_aside(struct stream *s, struct entry *e)
{
	struct entryid_text text;
	struct log_fields fields = entry_log_fields(s, e, &text);
	uint64_t delay_ms = put_aside_for_ms(s, e);

	fields.delay_ms = log_number(delay_ms);
	log_event(LEVEL_ERROR, EVENT_REDIS_ERROR, &fields,
	    "asking for this entry has cost the connection %u times: it may be larger than the "
	    "server's client-output-buffer-limit. It stays pending, and is asked for again in %llu "
	    "ms. A max_entry_bytes below that limit would dead-letter it",
	    e->n_unfetched - 1u, (unsigned long long)delay_ms);
	entryset_wait(&s->entries, e, stream_now_ms(s) + delay_ms);
}

static void not_fetched(struct stream *s, struct entry *e)
{
	/* A suspect was asked for only if it is small: that reply was lost for another reason. */
	if (e->n_unfetched != UNFETCHED_SUSPECT && e->n_unfetched < UINT8_MAX)
		e->n_unfetched++;
	if (e->n_unfetched < UNFETCHED_FOR_NOW)
		not_begun(s, e);
	else
		put_aside(s, e);
}

static void found_large(struct stream *s, struct entry *e, uint64_t bytes)
{
	if (bytes > s->consumer->settings->max_entry_bytes) {
		arrival_oversize(s, e, bytes);
		return;
	}
	e->n_unfetched = UNFETCHED_LARGE;
	not_begun(s, e);
}

/* How many bytes an entry of the batch may have to be begun by it. */
static uint64_t bytes_allowed(const struct stream *s, const struct id_batch *b)
{
	uint64_t most = s->consumer->settings->max_entry_bytes;

	for (size_t i = 0; i < b->len; i++) {
		const struct entry *e = entryset_find(&s->entries, b->items[i].id);

		if (e->n_unfetched == UNFETCHED_SUSPECT && most > SMALL_BYTES)
			return SMALL_BYTES;
	}
	return most;
}

/* ---- the reply ---- */

static void begun(struct stream *s, struct entry *e, uint64_t at_ms, const struct reply *fields)
{
	e->attempts++;
	e->n_unfetched = 0;
	entryset_freshen(&s->entries, e, at_ms);
	arrival_begun(s, e, fields);
}

static void settle_one(struct stream *s, struct entry *e, uint64_t at_ms,
    const struct reply *answer)
{
	struct slice word = reply_text(answer);

	if (reply_len(answer))
		begun(s, e, at_ms, answer);
	else if (reply_integer(answer))
		found_large(s, e, (uint64_t)reply_integer(answer));
	else if (slice_is(word, "other"))
		verdict_lease_lost(s, e, "another consumer");
	else if (slice_is(word, "none"))
		verdict_lease_lost(s, e, "nobody");
	else
		verdict_trimmed(s, e);
}

static void each_back_to_waiting(struct stream *s, const struct id_batch *b,
    void (*back)(struct stream *s, struct entry *e))
{
	for (size_t i = 0; i < b->len; i++) {
		struct entry *e = entryset_find(&s->entries, b->items[i].id);

		if (e && e->state == ENTRY_BEGINNING)
			back(s, e);
	}
}

static void each_settled(struct stream *s, const struct id_batch *b, const struct reply *r)
{
	for (size_t i = 0; i < b->len; i++) {
		struct entry *e = entryset_find(&s->entries, b->items[i].id);

		if (e && e->state == ENTRY_BEGINNING)
			settle_one(s, e, b->sent_at_ms, reply_at(r, i));
	}
}

/* A reply that never arrived may have been too large for the server's output buffer, and killed the
 * connection that everybody shares. */
static void learn_batch_size(struct stream *s, const struct id_batch *b, const struct reply *r)
{
	if (!r)
		s->beginner.batch_max = (uint32_t)(b->len + 1) / 2;
	else if (b->len == s->beginner.batch_max && b->len < BATCH_MAX)
		s->beginner.batch_max++;
}

static void on_begin_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct id_batch *b = request;

	s->beginner.alone = false;
	learn_batch_size(s, b, r);
	if (r && !reply_is_error(r)) {
		pause_reset(&s->beginner.pause);
		each_settled(s, b, r);
	} else {
		each_back_to_waiting(s, b, r ? not_begun : not_fetched);
		/* Without a server the wait is for the server. */
		if (r && stream_redis_error(s, "beginning runs", r) != REDIS_NOSCRIPT)
			pause_start(&s->beginner.pause, s);
	}
	free(b);
	begin_watch(s);
	consumer_wake(s->consumer);
}

/* ---- the request ---- */

static struct id_batch *take_due(struct stream *s, uint32_t room)
{
	struct id_batch *b = id_batch_new(s, room);
	struct entry *e;

	while (b->len < room && (e = entryset_first_due(&s->entries)) && due_in_ms(s, e) == 0) {
		if (goes_alone(e) && b->len)
			break;
		b->items[b->len].id = e->id;
		b->items[b->len].number = e->attempts + 1;
		b->len++;
		entryset_move(&s->entries, e, ENTRY_BEGINNING);
		s->beginner.alone = goes_alone(e);
		if (s->beginner.alone)
			break;
	}
	return b;
}

static void begin_looked_at(struct stream *s, const struct look *l)
{
	struct entry *e = entryset_find(&s->entries, l->id);
	char run[16];

	s->beginner.alone = false;
	if (!e || e->state != ENTRY_BEGINNING)
		return;
	switch (l->answer) {
	case LOOK_OURS:
		pause_reset(&s->beginner.pause);
		snprintf(run, sizeof(run), "%u", e->attempts + 1);
		look_claim(s,
		    &(struct look_claim){ .id = l->id,
		        .words = (const char *const[]){ "RETRYCOUNT", run, NULL } },
		    look_claim_told, NULL);
		begun(s, e, l->asked_at_ms, l->fields);
		break;
	case LOOK_ANOTHERS:
		verdict_lease_lost(s, e, "another consumer");
		break;
	case LOOK_NOBODYS:
		verdict_lease_lost(s, e, "nobody");
		break;
	case LOOK_GONE:
		verdict_trimmed(s, e);
		break;
	case LOOK_FAILED:
		not_begun(s, e);
		pause_start(&s->beginner.pause, s);
		break;
	}
	begin_watch(s);
}

static void begin_without_script(struct stream *s, const struct id_batch *b)
{
	for (size_t i = 0; i < b->len; i++)
		look_at(s, b->items[i].id, begin_looked_at);
}

static void send_begin(struct stream *s, struct id_batch *b)
{
	struct buf *out = home_script(&s->home, SCRIPT_BEGIN, 1, 3 + 2 * b->len);

	id_batch_sort(b);
	command_text(out, s->name);
	command_text(out, s->origin.group);
	command_text(out, s->origin.consumer);
	command_u64(out, bytes_allowed(s, b));
	for (size_t i = 0; i < b->len; i++) {
		command_id(out, b->items[i].id);
		command_u64(out, b->items[i].number);
	}
	home_expect(&s->home, on_begin_reply, b);
}

/* How many entries are to be begun: as far ahead as reads look, and before them. Otherwise a
 * backlog would keep the pool full, and nothing would ever be run again. */
static uint32_t room_to_begin(struct consumer *c)
{
	struct credit credit = consumer_credit(c);

	credit.asked = 0;
	if (trial_is_over(c))
		return credit_room_of_pool(&credit);
	/* For a trial two are begun: one of them may be the one that failed last. */
	if (credit.free && c->breaker.state == BREAKER_TRIABLE && !c->totals.in[ENTRY_BEGINNING] &&
	    !trial_candidate(c))
		return TRIAL_BATCH;
	return 0;
}

/* Of one stream, in one batch. Others are on their way while the server works on the first, but not
 * while it is not known how much the connection bears. */
static uint32_t stream_may_begin(const struct stream *s)
{
	size_t n = entryset_count(&s->entries, ENTRY_BEGINNING);
	const struct entry *first = entryset_first_due(&s->entries);
	uint32_t at_once = s->beginner.batch_max, may;

	if (s->beginner.alone || (n && first && goes_alone(first)))
		return 0;
	if (at_once == BATCH_MAX)
		at_once *= BATCHES_AT_ONCE;
	may = n < at_once ? at_once - (uint32_t)n : 0;
	return may < s->beginner.batch_max ? may : s->beginner.batch_max;
}

static void begin_stream(struct stream *s, uint32_t room)
{
	struct id_batch *b = take_due(s, room);

	if (b->len && home_may_script(&s->home)) {
		send_begin(s, b);
		return;
	}
	begin_without_script(s, b);
	free(b);
}

void begin_pump(struct consumer *c)
{
	uint32_t room;

	if (consumer_is_halted(c))
		return;
	while (!list_empty(&c->due) && (room = room_to_begin(c)) > 0) {
		struct stream *s = container_of(list_first(&c->due), struct stream, beginner.node);

		list_remove(&c->due, &s->beginner.node);
		/* The server's return, the end of the pause, or the reply, puts it back on the
		 * list. */
		if (!home_is_up(&s->home) || pause_is_on(&s->beginner.pause) ||
		    !stream_may_begin(s))
			continue;
		begin_stream(s, room < stream_may_begin(s) ? room : stream_may_begin(s));
		begin_watch(s);
	}
}

void begin_init(struct stream *s)
{
	s->beginner.batch_max = BATCH_MAX;
	pause_init(&s->beginner.pause, s, on_due);
	ev_init(&s->beginner.timer, on_due);
	s->beginner.timer.data = s;
}

void begin_done(struct stream *s)
{
	pause_done(&s->beginner.pause, s);
	ev_timer_stop(loop_ev(stream_loop(s)), &s->beginner.timer);
	if (list_listed(&s->beginner.node))
		list_remove(&s->consumer->due, &s->beginner.node);
}
