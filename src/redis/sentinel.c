/* SPDX-License-Identifier: MIT */
/*
 * Owns the Sentinels and knows who uses the primary that they name.
 *
 * A question has a number, and an answer counts for every question that was asked before its query
 * was sent: so each is newer than the failure that made somebody ask, and a thousand who ask at
 * once need one query. Every second all are asked in any case: for those who cannot connect, and in
 * case a message was missed.
 *
 * Invariant: `questions` is in the order of the numbers, so what cannot be answered yet is behind
 * nothing that can.
 */
#include "redis/sentinel.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "redis/sentinelnode.h"

enum {
	POLL_MS = 1000,
	LOOK_MS = 50, /* while somebody waits; also between two queries to one Sentinel */
	/* How long an answer that was found wrong waits for a Sentinel that says otherwise. After a
	 * failover they disagree for up to a second. */
	SECOND_OPINION_MS = 250,
	/* So long the majority must have named another primary before who is connected to one, and
	 * has heard of no change, is moved. */
	MAJORITY_MS = 2000,
	TELL_MS = 500,
	RECONNECT_MAX_MS = 1000,
};

struct sentinels {
	const struct redis_settings *settings; /* of the servers */
	struct redis_settings own_settings;    /* of the Sentinels */
	struct redis_host host;
	struct sentinel_node *nodes;
	size_t n_nodes;
	struct list users, questions;
	uint64_t number; /* of the last question */
	uint64_t poll_at_ms, looked_at_ms, tell_at_ms;
	ev_timer step;
	struct deferred look;
	struct endpoint primary; /* the last one that was found to be it */
	struct endpoint doubted; /* the last one that was found not to be it */
	struct endpoint majority;
	uint64_t majority_since_ms;
	bool has_said_role_refused;
};

static const char *master_of(const struct sentinels *s)
{
	return s->settings->sentinel.master;
}

static bool is_doubted(const struct sentinels *s, const struct endpoint *e)
{
	return endpoint_equals(e, &s->doubted);
}

/* ---- those who use the primary ---- */

static void move(struct primary_user *u, const char *why)
{
	if (u->state != PRIMARY_ASKING)
		u->on_moved(u->owner, why);
}

/* Who cannot connect where it was sent need not wait until its delay is over. But Sentinels that go
 * on to contradict each other, or come and go, are no reason to hurry all the time. */
static void tell_of_another(struct sentinels *s, const struct endpoint *primary)
{
	uint64_t now_ms = loop_now_ms(s->host.loop);

	if (now_ms < s->tell_at_ms)
		return;
	list_foreach_safe(&s->users, node) {
		struct primary_user *u = container_of(node, struct primary_user, node);

		if (u->state == PRIMARY_IN_USE || endpoint_equals(&u->at, primary))
			continue;
		if (u->state == PRIMARY_IDLE || is_doubted(s, &u->at)) {
			move(u, "the Sentinels name another primary");
			s->tell_at_ms = now_ms + TELL_MS;
		}
	}
}

static void on_switch(void *owner, const struct endpoint *from, const struct endpoint *to)
{
	struct sentinels *s = owner;

	s->doubted = *from;
	list_foreach_safe(&s->users, node) {
		struct primary_user *u = container_of(node, struct primary_user, node);
		bool is_there = endpoint_equals(&u->at, to);

		if (u->state == PRIMARY_IN_USE ? endpoint_equals(&u->at, from)
		                               : u->state == PRIMARY_IDLE || !is_there)
			move(u, "the Sentinels have made another server the primary");
	}
}

/* ---- the majority ---- */

static size_t n_naming(const struct sentinels *s, const struct endpoint *e)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_nodes; i++)
		n += endpoint_equals(&s->nodes[i].primary, e);
	return n;
}

static struct endpoint find_majority(const struct sentinels *s)
{
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct endpoint *e = &s->nodes[i].primary;

		if (endpoint_is_set(e) && n_naming(s, e) > s->n_nodes / 2)
			return *e;
	}
	return (struct endpoint){ 0 };
}

static void heed_majority(struct sentinels *s)
{
	struct endpoint majority = find_majority(s);
	uint64_t now_ms = loop_now_ms(s->host.loop);

	if (!endpoint_equals(&majority, &s->majority)) {
		s->majority = majority;
		s->majority_since_ms = now_ms;
	}
	if (!endpoint_is_set(&majority) || now_ms - s->majority_since_ms < MAJORITY_MS)
		return;
	list_foreach_safe(&s->users, node) {
		struct primary_user *u = container_of(node, struct primary_user, node);

		if (u->state == PRIMARY_IN_USE && !endpoint_equals(&u->at, &majority))
			move(u, "most Sentinels name another primary");
	}
}

/* ---- answering ---- */

/* What a Sentinel that heard of the question names: one that is not in doubt, if there is any. */
static const struct endpoint *find_answer(const struct sentinels *s, uint64_t number)
{
	const struct endpoint *found = NULL;

	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct sentinel_node *n = &s->nodes[i];

		if (!sentinel_node_has_answered(n, number) || !endpoint_is_set(&n->primary))
			continue;
		if (!is_doubted(s, &n->primary))
			return &n->primary;
		found = &n->primary;
	}
	return found;
}

static bool more_may_answer(const struct sentinels *s, uint64_t number)
{
	for (size_t i = 0; i < s->n_nodes; i++) {
		if (sentinel_node_may_answer(&s->nodes[i], number))
			return true;
	}
	return false;
}

static bool any_knows_no_such(const struct sentinels *s)
{
	for (size_t i = 0; i < s->n_nodes; i++) {
		if (s->nodes[i].knows_no_such)
			return true;
	}
	return false;
}

/* The caller frees it. */
static char *why_no_answer(const struct sentinels *s)
{
	struct buf text = { 0 };
	char *why;

	for (size_t i = 0; i < s->n_nodes; i++) {
		buf_append_text(&text, i ? "; " : "");
		buf_append_text(&text, endpoint_text(&s->nodes[i].address).text);
		buf_append_text(&text, ": ");
		buf_append_text(&text, sentinel_node_why(&s->nodes[i]));
	}
	buf_append_char(&text, '\0');
	if (any_knows_no_such(s))
		why = xasprintf("the Sentinels do not know \"%s\": %s", master_of(s),
		    buf_data(&text));
	else
		why = xasprintf("no Sentinel names the primary: %s", buf_data(&text));
	buf_done(&text);
	return why;
}

static void answer_with(struct primary_user *u, const struct endpoint *primary)
{
	u->at = *primary;
	u->state = PRIMARY_TRYING;
	u->on_answer(u->owner, &u->at, NULL);
}

static void answer_with_nothing(struct sentinels *s, struct primary_user *u)
{
	char *why = why_no_answer(s);

	u->at = (struct endpoint){ 0 };
	u->state = PRIMARY_IDLE;
	u->on_answer(u->owner, NULL, why);
	free(why);
}

/* The rest of connect_timeout is left for saying so: after that, nothing but the time is known. */
static uint64_t patience_ms(const struct sentinels *s)
{
	return s->settings->connect_timeout_ms - s->settings->connect_timeout_ms / 8;
}

/* Whether the question needs to wait no longer, for this answer (NULL: none). */
static bool is_due(const struct sentinels *s, const struct primary_user *u,
    const struct endpoint *answer)
{
	uint64_t waited_ms = loop_now_ms(s->host.loop) - u->asked_at_ms;

	if (answer && (!is_doubted(s, answer) || waited_ms >= SECOND_OPINION_MS))
		return true;
	return !more_may_answer(s, u->number) || waited_ms >= patience_ms(s);
}

static void answer_questions(struct sentinels *s)
{
	struct list_node *node;

	while ((node = list_first(&s->questions))) {
		struct primary_user *u = container_of(node, struct primary_user, question);
		const struct endpoint *answer = find_answer(s, u->number);

		if (!is_due(s, u, answer))
			return;
		list_remove(&s->questions, node);
		if (answer)
			answer_with(u, answer);
		else
			answer_with_nothing(s, u);
	}
}

/* ---- asking ---- */

static void ask_nodes(struct sentinels *s)
{
	s->looked_at_ms = loop_now_ms(s->host.loop);
	for (size_t i = 0; i < s->n_nodes; i++)
		sentinel_node_ask(&s->nodes[i], s->number);
}

static void poll_if_due(struct sentinels *s)
{
	uint64_t now_ms = loop_now_ms(s->host.loop);

	if (now_ms < s->poll_at_ms)
		return;
	s->poll_at_ms = now_ms + POLL_MS;
	s->number++;
}

static void look_again_in(struct sentinels *s, uint64_t delay_ms)
{
	loop_timer_in(s->host.loop, &s->step, delay_ms);
}

static void look(struct sentinels *s)
{
	uint64_t now_ms = loop_now_ms(s->host.loop);

	poll_if_due(s);
	ask_nodes(s);
	answer_questions(s);
	look_again_in(s, list_empty(&s->questions) ? s->poll_at_ms - now_ms : LOOK_MS);
}

static void on_look(struct deferred *d)
{
	look(container_of(d, struct sentinels, look));
}

static void on_step(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	look(w->data);
}

/* A Sentinel has answered, or has come, or gone. */
static void on_change(void *owner)
{
	struct sentinels *s = owner;
	const struct endpoint *named = find_answer(s, 0);

	if (named && !is_doubted(s, named))
		tell_of_another(s, named);
	heed_majority(s);
	answer_questions(s);
	if (!list_empty(&s->questions))
		look_again_in(s, LOOK_MS);
}

/* ---- public ---- */

void primary_join(struct sentinels *s, struct primary_user *u)
{
	u->sentinels = s;
	u->state = PRIMARY_IDLE;
	list_append(&s->users, &u->node);
}

void primary_leave(struct primary_user *u)
{
	primary_let_go(u);
	list_remove(&u->sentinels->users, &u->node);
}

void primary_ask(struct primary_user *u)
{
	struct sentinels *s = u->sentinels;
	uint64_t now_ms = loop_now_ms(s->host.loop);

	assert(u->state == PRIMARY_IDLE);
	u->state = PRIMARY_ASKING;
	u->number = ++s->number;
	u->asked_at_ms = now_ms;
	list_append(&s->questions, &u->question);
	if (now_ms - s->looked_at_ms >= LOOK_MS)
		loop_defer(s->host.loop, &s->look);
	else
		look_again_in(s, LOOK_MS);
}

static void log_change(const struct sentinels *s, const struct endpoint *now)
{
	log_event(LEVEL_NOTICE, EVENT_CONNECTED, NULL,
	    "the primary of \"%s\" is %s now, no longer %s", master_of(s), endpoint_text(now).text,
	    endpoint_text(&s->primary).text);
}

void primary_found(struct primary_user *u)
{
	struct sentinels *s = u->sentinels;

	u->state = PRIMARY_IN_USE;
	if (is_doubted(s, &u->at))
		s->doubted = (struct endpoint){ 0 };
	if (endpoint_equals(&u->at, &s->primary))
		return;
	if (endpoint_is_set(&s->primary))
		log_change(s, &u->at);
	s->primary = u->at;
}

void primary_let_go(struct primary_user *u)
{
	if (u->state == PRIMARY_ASKING)
		list_remove(&u->sentinels->questions, &u->question);
	u->state = PRIMARY_IDLE;
}

void primary_failed(struct primary_user *u)
{
	if (u->state == PRIMARY_TRYING || u->state == PRIMARY_IN_USE)
		u->sentinels->doubted = u->at;
	primary_let_go(u);
}

void primary_denies(struct primary_user *u)
{
	struct sentinels *s = u->sentinels;

	s->doubted = u->at;
	list_foreach_safe(&s->users, node) {
		struct primary_user *other = container_of(node, struct primary_user, node);

		if (other->state == PRIMARY_IN_USE && endpoint_equals(&other->at, &s->doubted))
			move(other, "the server is no primary any more");
	}
}

void sentinels_role_refused(struct sentinels *s, struct slice error)
{
	if (s->has_said_role_refused)
		return;
	s->has_said_role_refused = true;
	log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, NULL,
	    "cannot check whether the server is the primary: %.*s", (int)error.len, error.data);
}

static void make_nodes(struct sentinels *s)
{
	const struct sentinel_settings *own = &s->settings->sentinel;

	s->n_nodes = own->nodes.len;
	s->nodes = xcalloc(s->n_nodes, sizeof(*s->nodes));
	for (size_t i = 0; i < s->n_nodes; i++) {
		struct sentinel_node *n = &s->nodes[i];
		const char *address = own->nodes.items[i];
		int r = endpoint_parse((struct slice){ address, strlen(address) }, &n->address);

		assert(r == 0);
		(void)r;
		n->host = &s->host;
		n->master = own->master;
		n->owner = s;
		n->on_change = on_change;
		n->on_switch = on_switch;
	}
}

struct sentinels *sentinels_new(struct loop *loop, struct resolver *resolver,
    const struct redis_settings *settings)
{
	struct sentinels *s = xcalloc(1, sizeof(*s));
	struct redis_settings *own = &s->own_settings;

	s->settings = settings;
	*own = (struct redis_settings){ .secret = settings->sentinel.secret,
		.tls = settings->sentinel.tls,
		.connect_timeout_ms = settings->connect_timeout_ms,
		.reconnect_initial_ms = settings->reconnect_initial_ms,
		.reconnect_max_ms = settings->reconnect_max_ms,
		.keepalive_ms = settings->keepalive_ms };
	own->url.tls = settings->sentinel.use_tls;
	/* They are few, and everything waits for them. */
	if (own->reconnect_max_ms > RECONNECT_MAX_MS)
		own->reconnect_max_ms = RECONNECT_MAX_MS;
	s->host = (struct redis_host){ .loop = loop, .resolver = resolver, .settings = own };
	list_init(&s->users);
	list_init(&s->questions);
	s->look.run = on_look;
	ev_init(&s->step, on_step);
	s->step.data = s;
	make_nodes(s);
	return s;
}

void sentinels_open(struct sentinels *s)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		sentinel_node_open(&s->nodes[i]);
	look_again_in(s, 0);
}

void sentinels_free(struct sentinels *s)
{
	if (!s)
		return;
	assert(list_empty(&s->users));
	ev_timer_stop(loop_ev(s->host.loop), &s->step);
	loop_undefer(s->host.loop, &s->look);
	for (size_t i = 0; i < s->n_nodes; i++)
		sentinel_node_close(&s->nodes[i]);
	redis_host_done(&s->host);
	free(s->nodes);
	free(s);
}
