/* SPDX-License-Identifier: MIT */
/*
 * Acknowledges: one XACK a turn of the loop, at most two unanswered, whatever has gathered. Batches
 * grow by themselves at full speed, and at low load an acknowledgement leaves at once. Only where
 * the reader lets entries gather does it wait for the next read, a millisecond or so, and leaves
 * ahead of it over the same connection: it rides. An entry stays in ACKING until an integer has
 * come back, over as many connections as it takes; 0 for it is an answer (somebody else
 * acknowledged it), counted apart. No error leads here.
 *
 * With guards against a second run, their keys are set by the script that acknowledges. Where
 * scripts are refused each key is set first, and nothing is acknowledged before that is confirmed:
 * one batch at a time.
 *
 * Invariant: the ACKING list begins with the entries of the unanswered batches, in order.
 */
#include "consumer/stream.h"

#include "redis/command.h"

enum { BATCH_MAX = 1000, MISSING_LOG_MS = 10000 };

void settle_soon(struct stream *s)
{
	struct consumer *c = s->consumer;

	if (!list_listed(&s->settler.node))
		list_append(&c->to_settle, &s->settler.node);
	loop_defer(c->host->loop, &c->settle);
}

static struct list_node *first_unsent(const struct stream *s)
{
	const struct list *acking = &s->entries.in[ENTRY_ACKING];

	if (!s->settler.last_sent)
		return list_first(acking);
	if (s->settler.last_sent->node.next == &acking->head)
		return NULL;
	return s->settler.last_sent->node.next;
}

static uint32_t n_unsent(const struct stream *s)
{
	size_t n = entryset_count(&s->entries, ENTRY_ACKING);

	for (unsigned i = 0; i < s->settler.n_batches; i++)
		n -= s->settler.batches[i];
	return n < BATCH_MAX ? (uint32_t)n : BATCH_MAX;
}

/* The size of the oldest unanswered batch, which is over. */
static uint32_t batch_over(struct settler *t)
{
	uint32_t n = t->batches[0];

	t->batches[0] = t->batches[1];
	if (--t->n_batches == 0)
		t->last_sent = NULL;
	return n;
}

static void confirmed(struct stream *s, uint32_t n, int64_t n_acked)
{
	struct stats *stats = &s->consumer->stats;
	struct log_fields fields = stream_log_fields(s);
	uint64_t missing = n_acked < n ? n - (uint64_t)n_acked : 0, held_back;

	stats->acked += n - missing;
	stats->ack_missing += missing;
	if (missing &&
	    log_limit_pass(&s->settler.missing_log, stream_now_ms(s), MISSING_LOG_MS, &held_back))
		log_event(LEVEL_INFO, EVENT_VERDICT, &fields,
		    "%llu of %u acknowledged entries were pending for nobody any more",
		    (unsigned long long)missing, n);
	for (uint32_t i = 0; i < n; i++)
		entryset_forget(&s->entries, entryset_first(&s->entries, ENTRY_ACKING));
}

/* To be sent again, after those that are on their way. */
static void put_last(struct stream *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		entryset_requeue(&s->entries, entryset_first(&s->entries, ENTRY_ACKING));
}

static void refused(struct stream *s, uint32_t n, const struct reply *r)
{
	put_last(s, n);
	if (once_redis_error(s, "XACK", r) != REDIS_NOSCRIPT)
		pause_start(&s->settler.pause, s);
}

static void on_ack_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	uint32_t n;

	(void)request;
	/* Unknown: settler_reset() sends them all again. */
	if (!r)
		return;
	n = batch_over(&s->settler);
	if (reply_is_error(r)) {
		refused(s, n, r);
	} else {
		pause_reset(&s->settler.pause);
		confirmed(s, n, reply_integer(r));
	}
	if (n_unsent(s))
		settle_soon(s);
	consumer_wake(s->consumer);
}

/* ---- requests ---- */

/* Of the next n entries; returns the last one, as do those who send them. */
static struct entry *append_ids(struct list_node *node, uint32_t n, struct buf *out)
{
	struct entry *e = NULL;

	for (uint32_t i = 0; i < n; i++, node = node->next) {
		e = container_of(node, struct entry, node);
		command_id(out, e->id);
	}
	return e;
}

static struct entry *append_xack(const struct stream *s, struct list_node *first, uint32_t n,
    struct buf *out)
{
	command_open(out, 3 + n);
	command_text(out, "XACK");
	command_text(out, s->name);
	command_text(out, s->origin.group);
	return append_ids(first, n, out);
}

static struct entry *send_xack(struct stream *s, struct list_node *first, uint32_t n)
{
	struct entry *last = append_xack(s, first, n, home_out(&s->home));

	home_expect(&s->home, on_ack_reply, NULL);
	return last;
}

static uint32_t n_guarded(const struct stream *s, struct list_node *node, uint32_t n)
{
	uint32_t n_keys = 0;

	for (uint32_t i = 0; s->once.pattern && i < n; i++, node = node->next)
		n_keys += once_has_key(s, container_of(node, struct entry, node));
	return n_keys;
}

static struct entry *send_script(struct stream *s, struct list_node *first, uint32_t n,
    uint32_t n_keys)
{
	struct buf *out = home_script(&s->home, SCRIPT_ACK, 1 + n_keys, 3 + n);
	struct list_node *node = first;
	char room[GUARDKEY_MAX_BYTES];
	struct entry *last;

	command_text(out, s->name);
	for (uint32_t i = 0; i < n; i++, node = node->next) {
		struct entry *e = container_of(node, struct entry, node);

		if (once_has_key(s, e))
			command_slice(out, once_key(s, e, room));
	}
	command_text(out, s->origin.group);
	command_text(out, s->origin.consumer);
	command_u64(out, s->consumer->settings->once.ttl_ms);
	last = append_ids(first, n, out);
	home_expect(&s->home, on_ack_reply, NULL);
	return last;
}

/* ---- without scripts: SET, and when all keys are there XACK ---- */

static void all_set(struct stream *s)
{
	struct settler *t = &s->settler;
	uint32_t n = t->batches[0];

	if (!t->set_refused) {
		send_xack(s, list_first(&s->entries.in[ENTRY_ACKING]), n);
		return;
	}
	t->set_refused = false;
	put_last(s, batch_over(t));
	pause_start(&t->pause, s);
}

static void on_set_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	(void)request;
	if (!r)
		return;
	if (reply_is_error(r)) {
		once_redis_error(s, "setting a guard key", r);
		s->settler.set_refused = true;
	}
	if (--s->settler.n_setting == 0)
		all_set(s);
}

static void send_set(struct stream *s, const struct entry *e)
{
	struct buf *out = home_out(&s->home);
	char room[GUARDKEY_MAX_BYTES];

	command_open(out, 6);
	command_text(out, "SET");
	command_slice(out, once_key(s, e, room));
	command_text(out, "1");
	command_text(out, "PX");
	command_u64(out, s->consumer->settings->once.ttl_ms);
	command_text(out, "NX");
	home_expect(&s->home, on_set_reply, NULL);
	s->settler.n_setting++;
}

static struct entry *send_sets(struct stream *s, struct list_node *node, uint32_t n)
{
	struct entry *e = NULL;

	for (uint32_t i = 0; i < n; i++, node = node->next) {
		e = container_of(node, struct entry, node);
		if (once_has_key(s, e))
			send_set(s, e);
	}
	return e;
}

static void send_batch(struct stream *s, uint32_t n)
{
	struct list_node *first = first_unsent(s);
	uint32_t n_keys = n_guarded(s, first, n);

	s->settler.batches[s->settler.n_batches++] = n;
	if (!n_keys)
		s->settler.last_sent = send_xack(s, first, n);
	else if (home_may_script(&s->home))
		s->settler.last_sent = send_script(s, first, n, n_keys);
	else
		s->settler.last_sent = send_sets(s, first, n);
}

/* How many batches may be unanswered. Those of two connections would be answered in any order. */
static unsigned batches_max(const struct stream *s)
{
	bool by_set = s->once.pattern && !home_may_script(&s->home);

	return s->settler.is_riding || by_set ? 1 : ACKS_OUTSTANDING;
}

static bool may_send(const struct stream *s)
{
	return home_is_up(&s->home) && !pause_is_on(&s->settler.pause) && !s->settler.n_setting;
}

/* A guard is there to be set as soon as there is a reason. */
static bool waits_for_read(const struct stream *s)
{
	return reader_gathers(s) && !s->once.pattern && !consumer_is_halted(s->consumer);
}

void settler_flush(struct stream *s)
{
	uint32_t n;

	if (!may_send(s) || waits_for_read(s))
		return;
	while (s->settler.n_batches < batches_max(s) && (n = n_unsent(s)) > 0)
		send_batch(s, n);
}

static void on_ride_over(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;

	s->settler.is_riding = false;
	if (r) {
		on_ack_reply(owner, request, r);
		return;
	}
	settler_reset(s);
	settle_soon(s);
}

void settler_ride(struct stream *s, struct conn *reader)
{
	uint32_t n = n_unsent(s);

	if (!n || s->settler.n_batches || s->once.pattern || !may_send(s))
		return;
	home_announce(&s->home, reader);
	s->settler.batches[s->settler.n_batches++] = n;
	s->settler.last_sent = append_xack(s, first_unsent(s), n, conn_out(reader));
	s->settler.is_riding = true;
	conn_expect(reader, conn_patience_ms(reader), on_ride_over, s, NULL);
}

/* The home is gone, but what rides is answered or lost with the reader's connection. */
void settler_reset(struct stream *s)
{
	if (s->settler.is_riding)
		return;
	s->settler.n_batches = 0;
	s->settler.last_sent = NULL;
	s->settler.n_setting = 0;
	s->settler.set_refused = false;
}

static void on_pause_over(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	settle_soon(w->data);
}

void settler_init(struct stream *s)
{
	pause_init(&s->settler.pause, s, on_pause_over);
	pause_init(&s->undertaker.pause, s, on_pause_over);
	pause_init(&s->releaser.pause, s, on_pause_over);
}

void settler_done(struct stream *s)
{
	pause_done(&s->settler.pause, s);
	pause_done(&s->undertaker.pause, s);
	pause_done(&s->releaser.pause, s);
	if (list_listed(&s->settler.node))
		list_remove(&s->consumer->to_settle, &s->settler.node);
}
