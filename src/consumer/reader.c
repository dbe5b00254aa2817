/* SPDX-License-Identifier: MIT */
/*
 * Owns the reader connection of a stream and decides, with core/credit, when to send XREADGROUP.
 *
 * While replies come back full ("hungry") reads are sent without BLOCK, some at a time, each with a
 * fair share of the room. After a short reply ("quiet") one read waits with BLOCK. A consumer with
 * a single stream blocks with as much as there is room for; with several, each quiet stream blocks
 * with COUNT 1 beyond the room, so that all of them can listen, and no more than one entry each can
 * come unbidden.
 *
 * Where entries come one by one, but several in a millisecond, a quiet read is sent a moment after
 * the last reply, and what was done meanwhile is acknowledged with it: at 10,000 a second that is a
 * fifth of the work, here and at the server.
 *
 * BLOCK is finite, always: before 7.0 a blocked reader is not told that its stream was deleted.
 */
#include "consumer/stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "redis/command.h"

enum {
	READ_MARGIN_MS = 10000,
	FIRST_COUNT = 16, /* how large entries are is not known before the first reply */
	WHOLE_REPLY_BYTES = 32 * 1024, /* of payload: surely less than a socket's buffer */
	GATHER_US = 1400,
};

static bool may_read(const struct stream *s)
{
	return s->group.state == GROUP_READY && recovery_is_complete(s) &&
	       conn_is_up(s->reader.conn) && !pause_is_on(&s->reader.pause) &&
	       !consumer_is_halted(s->consumer);
}

static void leave_lists(struct stream *s)
{
	struct consumer *c = s->consumer;
	struct list_node *node = &s->reader.node;

	if (!list_listed(node))
		return;
	list_remove(s->reader.hungry ? &c->hungry : &c->quiet, node);
}

static void set_hungry(struct stream *s, bool hungry)
{
	leave_lists(s);
	s->reader.hungry = hungry;
}

/* One at a time while it is not known how much the connection bears. The second is on its way while
 * the first is answered. A reply that is larger than the socket's buffer goes out in pieces, for
 * each of which the server waits until the last one is taken: it needs further reads to work on
 * meanwhile (with COUNT 500, 84 % of what it can do became 91 %). They would make others wait for
 * longer, so small replies get none. */
static unsigned reads_at_once(const struct stream *s)
{
	const struct reader *r = &s->reader;

	if (r->count_max < s->consumer->settings->read.count)
		return 1;
	return r->count_max * r->largest.value > WHOLE_REPLY_BYTES ? READS_OUTSTANDING : 2;
}

void reader_place(struct stream *s)
{
	struct consumer *c = s->consumer;
	struct reader *r = &s->reader;

	leave_lists(s);
	if (!may_read(s))
		return;
	if (r->hungry && r->n_outstanding < reads_at_once(s))
		list_append(&c->hungry, &r->node);
	else if (!r->hungry && r->n_outstanding == 0 && !reader_gathers(s))
		list_append(&c->quiet, &r->node);
}

/* ---- replies ---- */

static void request_over(struct stream *s, struct read_request *request)
{
	if (!s->reader.spare_read)
		s->consumer->asked -= request->count;
	s->reader.spare_read = false;
	s->reader.n_outstanding--;
	s->consumer->n_reads--;
	request->count = 0;
}

/* A reply that never arrived may have been too large for the server's output buffer, and its
 * entries are pending on our name now: ask for less. */
static void reply_lost(struct stream *s)
{
	s->reader.lost_reply = true;
	if (s->reader.count_max > 1)
		s->reader.count_max /= 2;
}

static void read_failed(struct stream *s, const struct reply *r)
{
	enum redis_error class = stream_redis_error(s, "XREADGROUP", r);

	if (class == REDIS_READONLY) {
		conn_drop(s->reader.conn, "the server is no primary any more");
		return;
	}
	/* Another error is another trouble: a key that was of another type, and is gone now, is not
	 * waited for any longer. */
	if (class != s->reader.last_error)
		pause_reset(&s->reader.pause);
	s->reader.last_error = class;
	if (class == REDIS_AUTH || class == REDIS_WRONGTYPE)
		backoff_to_max(&s->reader.pause.backoff);
	pause_start(&s->reader.pause, s);
}

/* Once it is known how large entries are, as many are read as are wanted; after a reply that was
 * lost the number doubles as long as full replies arrive whole. */
static void count_was_good(struct stream *s, size_t n)
{
	struct reader *r = &s->reader;
	uint64_t wanted = s->consumer->settings->read.count, doubled = 2 * (uint64_t)r->count_max;

	if (n < r->count_max)
		return;
	r->lost_reply = r->lost_reply && doubled < wanted;
	r->count_max = (uint32_t)(r->lost_reply ? doubled : wanted);
}

/* Of several streams each is read beyond the room, one entry at a time. */
static void let_gather(struct stream *s, size_t n_arrived)
{
	struct reader *r = &s->reader;
	uint64_t now_ms = stream_now_ms(s);

	recent_add(&r->arrived, now_ms, (uint32_t)n_arrived);
	if (!r->hungry && s->consumer->n_streams == 1 &&
	    recent_is_dense(recent_get(&r->arrived, now_ms)))
		loop_fine_timer_in(stream_loop(s), &r->gather, GATHER_US);
}

static void read_succeeded(struct stream *s, const struct read_request *request,
    const struct reply *entries)
{
	/* The reply may have lain in the socket, or the connection stood still, for longer than the
	 * lease: only the request tells since when the entries can have been ours. */
	uint64_t fresh_at_ms = request->sent_at_ms;
	size_t n = reply_len(entries);

	pause_reset(&s->reader.pause);
	for (size_t i = 0; i < n; i++)
		arrival_new(s, reply_at(entries, i), fresh_at_ms);
	count_was_good(s, n);
	set_hungry(s, n >= request->count);
	let_gather(s, n);
}

static void on_read_reply(void *owner, void *slot, const struct reply *r)
{
	struct stream *s = owner;
	struct read_request *request = slot;
	struct read_request answered = *request;

	request_over(s, request);
	if (!r)
		reply_lost(s);
	else if (reply_is_error(r))
		read_failed(s, r);
	else
		read_succeeded(s, &answered, reply_read_entries(r));
	reader_place(s);
	consumer_wake(s->consumer);
}

/* ---- requests ---- */

static struct read_request *free_request(struct stream *s)
{
	for (int i = 0; i < READS_OUTSTANDING; i++) {
		if (!s->reader.requests[i].count)
			return &s->reader.requests[i];
	}
	return NULL;
}

static void send_read(struct stream *s, uint32_t count, uint64_t block_ms)
{
	const struct consumer_settings *settings = s->consumer->settings;
	struct read_request *request = free_request(s);
	struct buf *out = conn_out(s->reader.conn);

	assert(request && count);
	home_announce(&s->home, s->reader.conn);
	*request = (struct read_request){ .count = count, .sent_at_ms = stream_now_ms(s) };
	s->reader.n_outstanding++;
	s->consumer->n_reads++;
	command_open(out, block_ms ? 11 : 9);
	command_text(out, "XREADGROUP");
	command_text(out, "GROUP");
	command_text(out, settings->group);
	command_text(out, settings->consumer);
	command_text(out, "COUNT");
	command_u64(out, count);
	if (block_ms) {
		command_text(out, "BLOCK");
		command_u64(out, block_ms);
	}
	command_text(out, "STREAMS");
	command_text(out, s->name);
	command_text(out, ">");
	/* BLOCK is no hard bound: before 7.2.5 a reader that is woken in vain starts it anew. */
	conn_expect(s->reader.conn, 2 * settings->read.block_ms + READ_MARGIN_MS, on_read_reply, s,
	    request);
}

static void send_within_room(struct stream *s, uint32_t count, uint64_t block_ms)
{
	s->consumer->asked += count;
	send_read(s, count, block_ms);
}

/* The read beyond the room, not repeated until the entry that it brought is handed over. */
static void send_spare(struct stream *s)
{
	struct consumer *c = s->consumer;

	if (entryset_count(&s->entries, ENTRY_READY) ||
	    entryset_count(&s->entries, ENTRY_CHECKING) || c->at_bound)
		return;
	if (!trial_is_over(c) && !trial_needs_entry(c))
		return;
	s->reader.spare_read = true;
	send_read(s, 1, s->consumer->settings->read.block_ms);
	leave_lists(s);
}

/* Room for one more read of the stream, 0 for none; what all streams may ask for is in *c. */
static uint32_t share(struct stream *s, size_t n_hungry)
{
	struct credit credit = consumer_credit(s->consumer);

	credit.largest_bytes = s->reader.largest.value;
	return credit_share(&credit, trial_room(s->consumer, credit_room(&credit)),
	    (uint32_t)n_hungry, s->reader.count_max);
}

static void read_hungry(struct consumer *c)
{
	size_t n_hungry = c->hungry.len;

	for (size_t i = 0; i < n_hungry; i++) {
		struct stream *s = container_of(list_first(&c->hungry), struct stream, reader.node);
		uint32_t count = share(s, n_hungry - i);

		if (!count)
			return;
		send_within_room(s, count, 0);
		reader_place(s);
	}
}

/* Further reads of the only hungry stream overlap the first one's way. */
static void read_ahead(struct consumer *c)
{
	read_hungry(c);
	for (int i = 1; i < READS_OUTSTANDING && c->hungry.len == 1; i++)
		read_hungry(c);
}

static void read_quiet_alone(struct consumer *c)
{
	struct stream *s = &c->streams[0];
	uint32_t count = share(s, 1);

	if (!count)
		return;
	settler_ride(s, s->reader.conn);
	send_within_room(s, count, c->settings->read.block_ms);
	reader_place(s);
}

static void read_quiet(struct consumer *c)
{
	if (c->n_streams == 1) {
		if (!list_empty(&c->quiet))
			read_quiet_alone(c);
		return;
	}
	list_foreach_safe(&c->quiet, node) {
		send_spare(container_of(node, struct stream, reader.node));
	}
}

/* What the bytes of other consumers have stopped, no event of its own will wake. */
void reader_note_bytes(struct consumer *c)
{
	struct consumer_host *h = c->host;
	struct list_node *node;

	if (h->held_bytes >= h->max_held_bytes) {
		if (!list_listed(&c->bytes_node))
			list_append(&h->at_bytes, &c->bytes_node);
		return;
	}
	while ((node = list_pop(&h->at_bytes)))
		consumer_wake(container_of(node, struct consumer, bytes_node));
}

static void note_bound(struct consumer *c)
{
	const struct consumer_host *h = c->host;
	bool by_count = c->totals.n_held >= c->settings->read.max_held;
	bool at_bound = by_count || h->held_bytes >= h->max_held_bytes;
	struct log_fields fields = { .consumer = c->settings->name };

	if (at_bound && !c->at_bound)
		log_event(LEVEL_WARNING, EVENT_BOUND_REACHED, &fields,
		    "reading stops: %s reached, %zu entries held",
		    by_count ? "read.max_held" : "daemon.max_in_flight_bytes", c->totals.n_held);
	if (!at_bound && c->at_bound)
		log_event(LEVEL_NOTICE, EVENT_BOUND_OVER, &fields,
		    "reading goes on, %zu entries held", c->totals.n_held);
	c->at_bound = at_bound;
}

void reader_pump(struct consumer *c)
{
	if (consumer_is_halted(c))
		return;
	reader_note_bytes(c);
	note_bound(c);
	read_ahead(c);
	read_quiet(c);
}

void reader_unblock(struct stream *s)
{
	uint64_t id = conn_client_id(s->reader.conn);
	char text[24];

	if (!s->reader.n_outstanding || !id || !home_is_up(&s->home))
		return;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
	command_words(home_out(&s->home), "CLIENT", "UNBLOCK", text, NULL);
	home_expect(&s->home, reply_ignored, NULL);
}

/* ---- the connection ---- */

static void on_up(void *owner)
{
	struct stream *s = owner;

	set_hungry(s, true);
	reader_place(s);
	consumer_wake(s->consumer);
}

static void on_down(void *owner)
{
	struct stream *s = owner;

	s->consumer->stats.reconnects++;
	reader_place(s);
	consumer_wake(s->consumer);
}

static void on_pause_over(struct ev_loop *ev, ev_timer *w, int events)
{
	struct stream *s = w->data;

	(void)ev;
	(void)events;
	reader_place(s);
	consumer_wake(s->consumer);
}

/* In this order: what is to be acknowledged rides with the read, if there is room for one. */
static void on_gathered(struct fine_timer *t)
{
	struct stream *s = container_of(t, struct stream, reader.gather);

	reader_place(s);
	consumer_wake(s->consumer);
	settle_soon(s);
}

bool reader_gathers(const struct stream *s)
{
	return loop_fine_timer_runs(&s->reader.gather);
}

void reader_init(struct stream *s)
{
	uint64_t count = s->consumer->settings->read.count;

	s->reader.count_max = count < FIRST_COUNT ? (uint32_t)count : FIRST_COUNT;
	pause_init(&s->reader.pause, s, on_pause_over);
	s->reader.gather.on_due = on_gathered;
}

void reader_settings_changed(struct stream *s)
{
	uint64_t count = s->consumer->settings->read.count;

	if (s->reader.count_max > count)
		s->reader.count_max = (uint32_t)count;
	reader_place(s);
}

void reader_open(struct stream *s)
{
	struct consumer *c = s->consumer;
	char *name = xasprintf("sluiced.%s.%s.reader", c->host->instance, c->settings->name);

	s->reader.conn = conn_new(&(struct conn_spec){
	    .host = c->host->redis,
	    .client_name = name,
	    .consumer = c->name,
	    .stream = s->name,
	    .owner = s,
	    .on_up = on_up,
	    .on_down = on_down,
	});
	free(name);
	conn_open(s->reader.conn);
}

void reader_follow(struct stream *s)
{
	conn_go_to(s->reader.conn, home_endpoint(&s->home));
}

void reader_done(struct stream *s)
{
	conn_free(s->reader.conn);
	leave_lists(s);
	pause_done(&s->reader.pause, s);
	loop_fine_timer_stop(stream_loop(s), &s->reader.gather);
}
