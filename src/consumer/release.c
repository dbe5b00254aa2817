/* SPDX-License-Identifier: MIT */
/*
 * Gives entries back to the group, by a script that checks that they are ours to give. The runs
 * behind an entry are written back as they are in the table, so that what did not run does not
 * count.
 */
#include <stdio.h>
#include <stdlib.h>

#include "consumer/look.h"
#include "consumer/stream.h"
#include "redis/command.h"

enum { BATCH_MAX = 50 };

static void each_over(struct stream *s, const struct id_batch *b)
{
	for (size_t i = 0; i < b->len; i++) {
		struct entry *e = entryset_find(&s->entries, b->items[i].id);

		if (e && e->state == ENTRY_RELEASING)
			entryset_forget(&s->entries, e);
		twin_forget(s, b->items[i].id);
	}
	sweeper_given_back(s);
}

static void each_asked_again(struct stream *s, const struct id_batch *b)
{
	for (size_t i = 0; i < b->len; i++) {
		struct entry *e = entryset_find(&s->entries, b->items[i].id);

		if (e)
			e->asked = false;
	}
}

static void on_release_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct id_batch *b = request;

	if (r && !reply_is_error(r)) {
		pause_reset(&s->releaser.pause);
		s->consumer->stats.released += (uint64_t)reply_integer(r);
		each_over(s, b);
	} else {
		each_asked_again(s, b);
		if (r && stream_redis_error(s, "releasing entries", r) != REDIS_NOSCRIPT)
			pause_start(&s->releaser.pause, s);
	}
	free(b);
	settle_soon(s);
	consumer_wake(s->consumer);
}

/* For how long the entry shall look idle already, so that others wait out the rest of its delay;
 * the lease is the longest wait that can be expressed. */
static uint64_t looks_idle_ms(const struct stream *s, const struct entry *e)
{
	uint64_t lease_ms = s->consumer->settings->claim.min_idle_ms;

	return lease_ms > e->release_delay_ms ? lease_ms - e->release_delay_ms : 0;
}

static void append_idle(struct buf *out, const struct stream *s, const struct entry *e)
{
	if (!e->release_delay_ms)
		command_text(out, "");
	else
		command_u64(out, looks_idle_ms(s, e));
}

static struct id_batch *take_unasked(struct stream *s)
{
	struct id_batch *b = id_batch_new(s, BATCH_MAX);

	list_foreach(&s->entries.in[ENTRY_RELEASING], node) {
		struct entry *e = container_of(node, struct entry, node);

		if (e->asked)
			continue;
		e->asked = true;
		b->items[b->len++].id = e->id;
		if (b->len == BATCH_MAX)
			break;
	}
	return b;
}

static void release_looked_at(struct stream *s, const struct look *l)
{
	struct entry *e = entryset_find(&s->entries, l->id);
	char runs[16], idle[24];
	bool at_once;

	if (!e || e->state != ENTRY_RELEASING)
		return;
	e->asked = false;
	if (l->answer == LOOK_FAILED) {
		pause_start(&s->releaser.pause, s);
		return;
	}
	pause_reset(&s->releaser.pause);
	if (l->answer == LOOK_OURS) {
		at_once = !e->release_delay_ms;
		snprintf(runs, sizeof(runs), "%u", e->attempts);
		snprintf(idle, sizeof(idle), "%llu", (unsigned long long)looks_idle_ms(s, e));
		look_claim(s,
		    &(struct look_claim){ .id = l->id,
		        .words = (const char *const[]){ at_once ? "TIME" : "IDLE",
		            at_once ? "0" : idle, "RETRYCOUNT", runs, NULL } },
		    look_claim_told, NULL);
		s->consumer->stats.released++;
	}
	entryset_forget(&s->entries, e);
	twin_forget(s, l->id);
	sweeper_given_back(s);
}

static void release_without_script(struct stream *s, const struct id_batch *b)
{
	for (size_t i = 0; i < b->len; i++)
		look_at(s, b->items[i].id, release_looked_at);
}

static void send_release(struct stream *s, struct id_batch *b)
{
	struct buf *out = home_script(&s->home, SCRIPT_RELEASE, 1, 2 + 3 * b->len);

	command_text(out, s->name);
	command_text(out, s->origin.group);
	command_text(out, s->origin.consumer);
	for (size_t i = 0; i < b->len; i++) {
		struct entry *e = entryset_find(&s->entries, b->items[i].id);

		command_id(out, e->id);
		command_u64(out, e->attempts);
		append_idle(out, s, e);
	}
	home_expect(&s->home, on_release_reply, b);
}

void releaser_flush(struct stream *s)
{
	struct id_batch *b;

	if (!entryset_count(&s->entries, ENTRY_RELEASING) || !home_is_up(&s->home) ||
	    pause_is_on(&s->releaser.pause))
		return;
	while ((b = take_unasked(s))->len && home_may_script(&s->home))
		send_release(s, b);
	release_without_script(s, b);
	free(b);
}

void releaser_reset(struct stream *s)
{
	list_foreach(&s->entries.in[ENTRY_RELEASING], node) {
		container_of(node, struct entry, node)->asked = false;
	}
}
