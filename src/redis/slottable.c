/* SPDX-License-Identifier: MIT */
/*
 * Owns the table of slots and the question for it. The nodes are asked in turn; while none answers
 * all that are known, the configured ones and the replicas among them, are tried.
 *
 * A node may be cut off from the others, or not have heard yet: where its answer names another node
 * for a slot than the one that is connected, the next one that is asked has to say the same. A
 * redirection is believed at once, for it comes from a node that had the slot.
 */
#include "redis/slottable.h"

#include <errno.h>

#include "base/log.h"
#include "redis/command.h"
#include "redis/slotmap.h"

enum {
	SOONEST_MS = 500,
	ANSWER_MS = 1000, /* who takes longer may be stopped: another is asked */
	PATROL_MS = 5000, /* a slot that moves is noticed by MOVED; a node that hangs is not */
	TOLD_MS = 2000,   /* until all nodes have heard of a move */
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

	if (t->asked || t->is_closed)
		return;
	if (at_ms < t->asked_at_ms + SOONEST_MS)
		at_ms = t->asked_at_ms + SOONEST_MS;
	if (!ev_is_active(&t->timer) || at_ms < t->timer_at_ms)
		set_timer(t, at_ms - now_ms);
}

static void use(struct node **place, struct node *n)
{
	if (*place)
		(*place)->n_uses--;
	*place = n;
	if (n)
		n->n_uses++;
}

static void take(struct slot_place *p, struct node *to)
{
	use(&p->serves, to);
	use(&p->listed, NULL);
}

struct node *slottable_node(const struct slottable *t, uint16_t slot)
{
	return t->places[slot].serves;
}

void slottable_set(struct slottable *t, uint16_t slot, struct node *to)
{
	take(&t->places[slot], to);
	t->places[slot].told_at_ms = loop_now_ms(loop_of(t));
}

static bool is_credible(const struct slottable *t, const struct slot_place *p,
    const struct node *to)
{
	if (!p->serves || p->serves == to)
		return true;
	if (p->told_at_ms && loop_now_ms(loop_of(t)) < p->told_at_ms + TOLD_MS)
		return false;
	return !server_is_up(p->serves->server) || p->listed == to;
}

/* Whether it is believed. */
static bool list_slot(struct slottable *t, struct slot_place *p, struct node *to)
{
	if (!is_credible(t, p, to)) {
		use(&p->listed, to);
		return false;
	}
	take(p, to);
	return true;
}

/* The same for the slots of a range. */
static bool list_range(struct slottable *t, const struct slot_range *range)
{
	struct node *to = nodes_at(t->nodes, &range->primary);
	bool believed = true;

	for (unsigned slot = range->first; slot <= range->last; slot++)
		believed = list_slot(t, &t->places[slot], to) && believed;
	return believed;
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

/* Where to ask when all primaries and seeds are gone: one of them is a primary then. */
static void remember_replicas(struct slottable *t, const struct node *from, const struct reply *r)
{
	nodes_forget_spares(t->nodes);
	for (size_t i = 0; i < reply_len(r); i++) {
		struct endpoint at;

		for (size_t k = 0; slotmap_replica(r, i, k, &from->at, &at) != -ENOENT; k++)
			nodes_at(t->nodes, &at)->is_spare = true;
	}
}

/* Whether there is nothing left to be asked about. */
static bool take_answer(struct slottable *t, const struct node *from, const struct reply *r)
{
	bool believed = true;

	for (size_t i = 0; i < reply_len(r); i++) {
		struct slot_range range;

		if (slotmap_range(r, i, &from->at, &range)) {
			warn(t, from, slice_of("its answer has another form"));
			return false;
		}
		believed = list_range(t, &range) && believed;
	}
	t->is_good = reply_len(r) > 0;
	if (!t->is_good)
		warn(t, from, slice_of("it knows of no slots"));
	else
		remember_replicas(t, from, r);
	return t->is_good && believed;
}

static bool take_reply(struct slottable *t, const struct node *from, const struct reply *r)
{
	if (!reply_is_error(r))
		return take_answer(t, from, r);
	warn(t, from, r->text);
	return false;
}

/* It may be late, and another was asked meanwhile: it is an answer all the same. */
static void on_slots_reply(void *owner, void *request, const struct reply *r)
{
	struct slottable *t = owner;
	struct node *from = request;
	bool is_enough;

	from->is_asked = false;
	if (t->is_closed)
		return;
	if (t->asked == from) {
		t->asked = NULL;
		set_timer(t, PATROL_MS);
	}
	t->is_good = false;
	is_enough = r && take_reply(t, from, r);
	if (!is_enough)
		slottable_ask_in(t, 0);
	if (r)
		t->on_answer(t->owner);
}

/* The first in the list that is up; it goes to the end. */
static struct node *next_to_ask(struct slottable *t)
{
	list_foreach_safe(&t->nodes->list, node) {
		struct node *n = container_of(node, struct node, node);

		if (!server_is_up(n->server) || n->is_asked)
			continue;
		list_remove(&t->nodes->list, node);
		list_append(&t->nodes->list, node);
		return n;
	}
	return NULL;
}

static void on_timer(struct ev_loop *ev, ev_timer *w, int events)
{
	struct slottable *t = w->data;
	struct node *n = next_to_ask(t);

	(void)ev;
	(void)events;
	t->asked_at_ms = loop_now_ms(loop_of(t));
	t->asked = n;
	set_timer(t, n ? ANSWER_MS : SOONEST_MS);
	if (!n) {
		t->is_good = false;
		nodes_open_all(t->nodes);
		return;
	}
	n->is_asked = true;
	command_words(server_out(n->server), "CLUSTER", "SLOTS", NULL);
	server_expect(n->server, on_slots_reply, t, n);
}

void slottable_init(struct slottable *t)
{
	ev_init(&t->timer, on_timer);
	t->timer.data = t;
}

void slottable_close(struct slottable *t)
{
	t->is_closed = true;
	ev_timer_stop(loop_ev(loop_of(t)), &t->timer);
}
