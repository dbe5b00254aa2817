/* SPDX-License-Identifier: MIT */
/*
 * Owns the table of slots and the question for it. Any node that answers is good enough, and the
 * nodes are asked in turn, so that one which is cut off from the others is not believed for long;
 * while none is connected all that are known, the configured ones among them, are tried.
 */
#include "redis/slottable.h"

#include "base/log.h"
#include "redis/command.h"
#include "redis/slotmap.h"

enum {
	SOONEST_MS = 500,
	PATROL_MS = 30000, /* a slot that moves is noticed by MOVED; a node that left is not */
	REPEAT_LOG_MS = 30000,
};

static struct loop *loop_of(const struct slottable *t)
{
	return t->nodes->host->loop;
}

static void set_timer(struct slottable *t, uint64_t delay_ms)
{
	t->timer_at_ms = loop_now_ms(loop_of(t)) + delay_ms;
	loop_timer_in(loop_of(t), &t->timer, delay_ms);
}

/* Never later than was planned already. */
void slottable_ask_in(struct slottable *t, uint64_t delay_ms)
{
	uint64_t now_ms = loop_now_ms(loop_of(t));
	uint64_t at_ms = now_ms + delay_ms;

	if (t->asked)
		return;
	if (at_ms < t->asked_at_ms + SOONEST_MS)
		at_ms = t->asked_at_ms + SOONEST_MS;
	if (!ev_is_active(&t->timer) || at_ms < t->timer_at_ms)
		set_timer(t, at_ms - now_ms);
}

void slottable_set(struct slottable *t, uint16_t slot, struct node *to)
{
	if (t->serves[slot])
		t->serves[slot]->n_uses--;
	t->serves[slot] = to;
	to->n_uses++;
}

static void warn(struct slottable *t, const struct node *n, struct slice why)
{
	uint64_t held_back;

	if (!log_limit_pass(&t->log_limit, loop_now_ms(loop_of(t)), REPEAT_LOG_MS, &held_back))
		return;
	log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, NULL,
	    "%s does not tell which node serves which slots (CLUSTER SLOTS): %.*s",
	    endpoint_text(&n->at).text, (int)why.len, why.data);
}

static void take_answer(struct slottable *t, const struct node *from, const struct reply *r)
{
	for (size_t i = 0; i < reply_len(r); i++) {
		struct slot_range range;
		struct node *to;

		if (slotmap_range(r, i, &from->at, &range)) {
			warn(t, from, slice_of("its answer has another form"));
			return;
		}
		to = nodes_at(t->nodes, &range.primary);
		for (unsigned slot = range.first; slot <= range.last; slot++)
			slottable_set(t, (uint16_t)slot, to);
	}
	if (!reply_len(r))
		warn(t, from, slice_of("it knows of no slots"));
}

static void on_slots_reply(void *owner, void *request, const struct reply *r)
{
	struct slottable *t = owner;

	t->asked = false;
	set_timer(t, PATROL_MS);
	if (!r) {
		slottable_ask_in(t, 0);
		return;
	}
	if (reply_is_error(r))
		warn(t, request, r->text);
	else
		take_answer(t, request, r);
	t->on_answer(t->owner);
}

/* The first in the list that is up; it goes to the end. */
static struct node *next_to_ask(struct slottable *t)
{
	list_foreach_safe(&t->nodes->list, node) {
		struct node *n = container_of(node, struct node, node);

		if (!server_is_up(n->server))
			continue;
		list_remove(&t->nodes->list, node);
		list_append(&t->nodes->list, node);
		return n;
	}
	return NULL;
}

static void open_all(struct slottable *t)
{
	list_foreach(&t->nodes->list, node) {
		node_open(container_of(node, struct node, node));
	}
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
	struct slottable *t = w->data;
	struct node *n = next_to_ask(t);

	(void)ev;
	(void)events;
	t->asked_at_ms = loop_now_ms(loop_of(t));
	if (!n) {
		open_all(t);
		slottable_ask_in(t, SOONEST_MS);
		return;
	}
	t->asked = true;
	command_words(server_out(n->server), "CLUSTER", "SLOTS", NULL);
	server_expect(n->server, on_slots_reply, t, n);
}

void slottable_init(struct slottable *t)
{
	ev_init(&t->timer, on_timer);
	t->timer.data = t;
}

void slottable_done(struct slottable *t)
{
	ev_timer_stop(loop_ev(loop_of(t)), &t->timer);
}
