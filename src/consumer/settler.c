/* SPDX-License-Identifier: MIT */
/*
 * Acknowledges: one XACK a turn of the loop, at most two unanswered, whatever has gathered. Batches
 * grow by themselves at full speed, and at low load an acknowledgement leaves at once; there is no
 * timer. An entry stays in ACKING until an integer has come back, over as many connections as it
 * takes; 0 for it is an answer (somebody else acknowledged it), counted apart. No error leads here.
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
static void refused(struct stream *s, uint32_t n, const struct reply *r)
{
	for (uint32_t i = 0; i < n; i++)
		entryset_requeue(&s->entries, entryset_first(&s->entries, ENTRY_ACKING));
	stream_redis_error(s, "XACK", r);
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

static void send_batch(struct stream *s, uint32_t n)
{
	struct buf *out = home_out(&s->home);
	struct list_node *node = first_unsent(s);
	struct entry *e = NULL;

	command_open(out, 3 + n);
	command_text(out, "XACK");
	command_text(out, s->name);
	command_text(out, s->origin.group);
	for (uint32_t i = 0; i < n; i++, node = node->next) {
		e = container_of(node, struct entry, node);
		command_id(out, e->id);
	}
	s->settler.last_sent = e;
	s->settler.batches[s->settler.n_batches++] = n;
	home_expect(&s->home, on_ack_reply, NULL);
}

void settler_flush(struct stream *s)
{
	uint32_t n;

	if (!home_is_up(&s->home) || pause_is_on(&s->settler.pause))
		return;
	while (s->settler.n_batches < ACKS_OUTSTANDING && (n = n_unsent(s)) > 0)
		send_batch(s, n);
}

void settler_reset(struct stream *s)
{
	s->settler.n_batches = 0;
	s->settler.last_sent = NULL;
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
