/* SPDX-License-Identifier: MIT */
/*
 * Owns a consumer: its handler pool, its streams, and the order in which they are served.
 *
 * XREADGROUP reply ─▶ arrival ─▶ READY ─▶ pool_offer ─▶ RUNNING ─▶ handler
 *                        ▲ begin script                      │ exactly one verdict
 *    sweep ─▶ WAITING ───┘    ▲                              ▼
 *                             └── retry ──── core/policy ── verdict
 *                                                 │
 *    ACKING: XACK batch as the loop goes to sleep │ BURYING: dead-letter script │ RELEASING
 *
 * Events only change states. What follows from the states happens once a turn, before the loop
 * sleeps: `settle` tells Redis what became of entries, `pump` hands over, begins and reads, in this
 * order, so that what is held already comes before what is new.
 */
#include "consumer/consumer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/difference.h"
#include "consumer/stream.h"

static struct stream *next_to_settle(struct consumer *c)
{
	struct list_node *node = list_pop(&c->to_settle);

	return node ? container_of(node, struct stream, settler.node) : NULL;
}

/* What it brings must be given back as well. */
static bool is_claiming(const struct consumer *c)
{
	for (size_t i = 0; i < c->n_streams; i++) {
		if (c->streams[i].sweeper.claiming)
			return true;
	}
	return false;
}

static void look_whether_drained(struct consumer *c)
{
	if (!c->draining || c->drained || !c->pool_drained || c->totals.n_held || c->n_reads ||
	    is_claiming(c))
		return;
	c->drained = true;
	c->host->on_drained(c->host->owner);
}

static void on_settle(struct deferred *d)
{
	struct consumer *c = container_of(d, struct consumer, settle);
	struct stream *s;

	while ((s = next_to_settle(c))) {
		once_flush(s);
		settler_flush(s);
		undertaker_flush(s);
		releaser_flush(s);
	}
}

/* While halted: whatever is READY, CHECKING or WAITING goes back, the one at once and as if it had
 * never been read, the other with what is left of its delay. */
static void give_back(struct stream *s)
{
	uint64_t now_ms = stream_now_ms(s);
	struct entry *e;

	while ((e = entryset_first(&s->entries, ENTRY_READY)) ||
	       (e = entryset_first(&s->entries, ENTRY_CHECKING))) {
		if (e->attempts)
			e->attempts--;
		entryset_move(&s->entries, e, ENTRY_RELEASING);
	}
	while ((e = entryset_first(&s->entries, ENTRY_WAITING))) {
		e->release_delay_ms = e->due.key > now_ms ? e->due.key - now_ms : 0;
		entryset_move(&s->entries, e, ENTRY_RELEASING);
	}
	/* An acknowledgement may have been held back for the next read. */
	if (entryset_count(&s->entries, ENTRY_RELEASING) ||
	    entryset_count(&s->entries, ENTRY_ACKING))
		settle_soon(s);
}

static void on_pump(struct deferred *d)
{
	struct consumer *c = container_of(d, struct consumer, pump);

	if (consumer_is_halted(c)) {
		for (size_t i = 0; i < c->n_streams; i++)
			give_back(&c->streams[i]);
		reader_note_bytes(c);
		look_whether_drained(c);
		return;
	}
	arrival_hand_over(c);
	begin_pump(c);
	reader_pump(c);
}

void consumer_wake(struct consumer *c)
{
	loop_defer(c->host->loop, &c->pump);
}

struct credit consumer_credit(struct consumer *c)
{
	const struct consumer_host *h = c->host;
	uint64_t bytes_left =
	    h->max_held_bytes > h->held_bytes ? h->max_held_bytes - h->held_bytes : 0;

	return (struct credit){
		.free = pool_room(c->pool),
		.round = pool_round(c->pool),
		.recent = recent_get(&c->recent, loop_now_ms(h->loop)),
		.ready = (uint32_t)(c->totals.in[ENTRY_READY] + c->totals.in[ENTRY_CHECKING] +
		                    c->totals.in[ENTRY_BEGINNING]),
		.asked = c->asked,
		.held = c->totals.n_held,
		.max_held = c->settings->read.max_held,
		.bytes_left = bytes_left,
	};
}

/* ---- life ---- */

static void use_settings(struct consumer *c, struct config *config,
    const struct consumer_settings *settings)
{
	struct config *before = c->config;

	c->config = config_keep(config);
	c->settings = settings;
	c->policy = (struct policy){ .retry = &settings->retry,
		.dead_letter_off = settings->dead_letter.off };
	c->breaker.settings = &settings->breaker;
	c->concurrency = 0;
	config_free(before);
}

struct consumer *consumer_new(struct consumer_host *host, struct config *config,
    const struct consumer_settings *settings)
{
	struct consumer *c = xcalloc(1, sizeof(*c));

	c->host = host;
	c->name = xstrdup(settings->name);
	c->group = xstrdup(settings->group);
	c->name_in_group = xstrdup(settings->consumer);
	use_settings(c, config, settings);
	c->totals.shared_bytes = &host->held_bytes;
	list_init(&c->ready);
	list_init(&c->due);
	list_init(&c->hungry);
	list_init(&c->quiet);
	list_init(&c->to_settle);
	c->settle.run = on_settle;
	c->pump.run = on_pump;
	trial_init(c);
	figures_init(c);
	pools_init(c);
	pools_renew(c);
	c->n_streams = settings->streams.len;
	c->streams = xcalloc(c->n_streams, sizeof(*c->streams));
	for (size_t i = 0; i < c->n_streams; i++)
		stream_init(&c->streams[i], c, settings->streams.items[i]);
	return c;
}

void consumer_start(struct consumer *c)
{
	pool_start(c->pool);
	for (size_t i = 0; i < c->n_streams; i++)
		stream_start(&c->streams[i]);
	figures_start(c);
}

static void look_for_groups_again(struct consumer *c)
{
	for (size_t i = 0; i < c->n_streams; i++)
		group_look_again(&c->streams[i]);
}

void consumer_change(struct consumer *c, struct config *config,
    const struct consumer_settings *settings)
{
	enum consumer_difference difference = consumer_difference(c->settings, settings);

	use_settings(c, config, settings);
	if (difference == CONSUMER_HANDLER)
		pools_renew(c);
	else
		pools_resize(c);
	for (size_t i = 0; i < c->n_streams; i++) {
		reader_settings_changed(&c->streams[i]);
		retention_start(&c->streams[i]);
		once_settings_changed(&c->streams[i]);
	}
	look_for_groups_again(c);
	figures_start(c);
	consumer_wake(c);
}

int consumer_set_concurrency(struct consumer *c, uint64_t n)
{
	if (!n || n > HANDLER_CONCURRENCY_MAX)
		return -ERANGE;
	c->concurrency = (uint32_t)n;
	pools_resize(c);
	return 0;
}

void consumer_reloaded(struct consumer *c)
{
	c->concurrency = 0;
	pools_resize(c);
	look_for_groups_again(c);
}

const struct consumer_settings *consumer_settings(const struct consumer *c)
{
	return c->settings;
}

void consumer_drain(struct consumer *c)
{
	if (c->draining)
		return;
	c->draining = true;
	for (size_t i = 0; i < c->n_streams; i++) {
		reader_place(&c->streams[i]);
		reader_unblock(&c->streams[i]);
	}
	pools_drain(c);
	consumer_wake(c);
}

void consumer_end_runs(struct consumer *c)
{
	pools_kill(c);
}

void consumer_stalled(struct consumer *c, uint64_t gap_ms)
{
	if (gap_ms <= c->settings->claim.min_idle_ms / 3)
		return;
	for (size_t i = 0; i < c->n_streams; i++) {
		lease_renew_all(&c->streams[i]);
		sweeper_hold_off(&c->streams[i]);
	}
}

bool consumer_runs_are_over(const struct consumer *c)
{
	return c->pool_drained;
}

bool consumer_is_drained(const struct consumer *c)
{
	return c->drained;
}

bool consumer_has_tried(const struct consumer *c)
{
	for (size_t i = 0; i < c->n_streams; i++) {
		const struct stream *s = &c->streams[i];

		if (!home_has_tried(&s->home) || !conn_has_tried(s->reader.conn))
			return false;
		if (home_is_up(&s->home) && s->group.state == GROUP_ASKED)
			return false;
	}
	return true;
}

bool consumer_is_connected(const struct consumer *c)
{
	for (size_t i = 0; i < c->n_streams; i++) {
		const struct stream *s = &c->streams[i];

		if (!home_is_up(&s->home) || !conn_is_up(s->reader.conn))
			return false;
	}
	return true;
}

const char *consumer_name(const struct consumer *c)
{
	return c->name;
}

const struct entry_totals *consumer_totals(const struct consumer *c)
{
	return &c->totals;
}

const struct stats *consumer_stats(const struct consumer *c)
{
	return &c->stats;
}

void consumer_log_summary(const struct consumer *c)
{
	const struct stats *t = &c->stats;
	const size_t *in = c->totals.in;
	size_t waiting = in[ENTRY_WAITING] + in[ENTRY_BEGINNING] + in[ENTRY_RELEASING];
	uint64_t taken = t->read_claimed + t->read_recovered;
	uint64_t dead = t->dead_rejected + t->dead_attempts + t->dead_trimmed + t->dead_oversize;
	struct log_fields fields = { .consumer = c->settings->name, .group = c->settings->group };

	log_event(LEVEL_NOTICE, EVENT_READY, &fields,
	    "%s; held %zu (ready %zu, waiting %zu, running %zu, acking %zu, burying %zu); "
	    "read %" PRIu64 ", taken up %" PRIu64 ", acknowledged %" PRIu64 ", retried %" PRIu64
	    ", dead-lettered %" PRIu64 ", released %" PRIu64,
	    consumer_is_connected(c) ? "connected" : "not connected", c->totals.n_held,
	    in[ENTRY_READY] + in[ENTRY_CHECKING], waiting, in[ENTRY_RUNNING], in[ENTRY_ACKING],
	    in[ENTRY_BURYING], t->read_new, taken, t->acked, t->verdict_retry, dead, t->released);
}

void consumer_free(struct consumer *c)
{
	if (!c)
		return;
	if (list_listed(&c->bytes_node))
		list_remove(&c->host->at_bytes, &c->bytes_node);
	pools_done(c);
	figures_done(c);
	trial_done(c);
	for (size_t i = 0; i < c->n_streams; i++)
		stream_done(&c->streams[i]);
	loop_undefer(c->host->loop, &c->settle);
	loop_undefer(c->host->loop, &c->pump);
	free(c->streams);
	config_free(c->config);
	free(c->name);
	free(c->group);
	free(c->name_in_group);
	free(c);
}
