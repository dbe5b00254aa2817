/* SPDX-License-Identifier: MIT */
/*
 * Owns the consumers and the sites that they work at. Whoever has drained is freed at the end of
 * the turn, not under the feet of the callback that tells of it; then those that waited for it
 * start, and a site without members goes.
 */
#include "daemon/roster.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { SETTLE_MS = 5000 }; /* for what Redis must still be told */

static struct member *member_of(struct list_node *node)
{
	return container_of(node, struct member, node);
}

static bool share_a_stream(const struct consumer_settings *a, const struct consumer_settings *b)
{
	for (size_t i = 0; i < a->streams.len; i++) {
		for (size_t k = 0; k < b->streams.len; k++) {
			if (strcmp(a->streams.items[i], b->streams.items[k]) == 0)
				return true;
		}
	}
	return false;
}

/* Two consumers of one name in a group would take each other's entries for their own. */
static bool would_be_twins(const struct consumer_settings *a, const struct consumer_settings *b)
{
	return strcmp(a->group, b->group) == 0 && strcmp(a->consumer, b->consumer) == 0 &&
	       share_a_stream(a, b);
}

static bool must_wait(const struct member *m)
{
	list_foreach(&m->roster->members, node) {
		const struct member *other = member_of(node);

		if (other->state == MEMBER_LEAVING &&
		    (strcmp(other->settings->name, m->settings->name) == 0 ||
		        would_be_twins(other->settings, m->settings)))
			return true;
	}
	return false;
}

static void start_if_possible(struct member *m)
{
	if (must_wait(m))
		return;
	m->state = MEMBER_WORKING;
	m->consumer = consumer_new(&m->site->host, m->config, m->settings);
	consumer_start(m->consumer);
}

static void member_free(struct member *m)
{
	struct roster *r = m->roster;

	ev_timer_stop(loop_ev(r->loop), &m->patience);
	list_remove(&r->members, &m->node);
	consumer_free(m->consumer);
	m->site->n_members--;
	config_free(m->config);
	free(m);
}

static void forget_site(struct roster *r, struct site *s)
{
	list_remove(&r->sites, &s->node);
	site_close(s);
	site_free(s);
}

/* The site that new consumers come to is the last one. */
static void forget_unused_sites(struct roster *r)
{
	list_foreach_safe(&r->sites, node) {
		struct site *s = container_of(node, struct site, node);

		if (!s->n_members && node != r->sites.head.prev)
			forget_site(r, s);
	}
}

static bool has_left(const struct member *m)
{
	if (m->state != MEMBER_LEAVING)
		return false;
	return !m->consumer || m->given_up || consumer_is_drained(m->consumer);
}

static void on_settle(struct deferred *d)
{
	struct roster *r = container_of(d, struct roster, settle);

	list_foreach_safe(&r->members, node) {
		if (has_left(member_of(node)))
			member_free(member_of(node));
	}
	list_foreach_safe(&r->members, waiting) {
		if (member_of(waiting)->state == MEMBER_WAITING && !r->closing)
			start_if_possible(member_of(waiting));
	}
	forget_unused_sites(r);
	if (r->closing && list_empty(&r->members))
		r->on_empty(r->owner);
}

static void on_patience_over(struct ev_loop *ev, ev_timer *w, int events)
{
	struct member *m = w->data;

	(void)ev;
	(void)events;
	if (m->runs_ended) {
		m->given_up = true;
		loop_defer(m->roster->loop, &m->roster->settle);
		return;
	}
	m->runs_ended = true;
	consumer_end_runs(m->consumer);
	loop_timer_in(m->roster->loop, &m->patience,
	    consumer_settings(m->consumer)->handler.kill_grace_ms + SETTLE_MS);
}

void roster_init(struct roster *r)
{
	list_init(&r->members);
	list_init(&r->sites);
	r->settle.run = on_settle;
}

void roster_done(struct roster *r)
{
	loop_undefer(r->loop, &r->settle);
	list_foreach(&r->sites, node) {
		site_close(container_of(node, struct site, node));
	}
	list_foreach_safe(&r->members, node) {
		member_free(member_of(node));
	}
	list_foreach_safe(&r->sites, node) {
		forget_site(r, container_of(node, struct site, node));
	}
}

void roster_add_site(struct roster *r, struct site *s)
{
	list_append(&r->sites, &s->node);
}

void roster_add(struct roster *r, struct site *site, struct config *config,
    const struct consumer_settings *settings)
{
	struct member *m = xcalloc(1, sizeof(*m));

	m->roster = r;
	m->site = site;
	m->config = config_keep(config);
	m->settings = settings;
	ev_init(&m->patience, on_patience_over);
	m->patience.data = m;
	site->n_members++;
	list_append(&r->members, &m->node);
	start_if_possible(m);
}

struct site *roster_site(const struct roster *r)
{
	return container_of(r->sites.head.prev, struct site, node);
}

void roster_change(struct member *m, struct config *config,
    const struct consumer_settings *settings)
{
	struct config *before = m->config;

	m->config = config_keep(config);
	m->settings = settings;
	config_free(before);
	if (m->consumer)
		consumer_change(m->consumer, config, settings);
}

static void leave(struct member *m)
{
	m->state = MEMBER_LEAVING;
	loop_defer(m->roster->loop, &m->roster->settle);
	if (m->consumer)
		consumer_drain(m->consumer);
}

void roster_dismiss(struct member *m, uint64_t patience_ms)
{
	leave(m);
	if (m->consumer)
		loop_timer_in(m->roster->loop, &m->patience, patience_ms);
}

struct member *roster_find(const struct roster *r, const char *name)
{
	list_foreach(&r->members, node) {
		struct member *m = member_of(node);

		if (m->state != MEMBER_LEAVING && strcmp(m->settings->name, name) == 0)
			return m;
	}
	return NULL;
}

struct member *roster_next(const struct roster *r, const struct member *after)
{
	struct list_node *node = after ? after->node.next : r->members.head.next;

	while (node != &r->members.head && !member_of(node)->consumer)
		node = node->next;
	return node == &r->members.head ? NULL : member_of(node);
}

void roster_on_drained(void *roster)
{
	struct roster *r = roster;

	loop_defer(r->loop, &r->settle);
}

bool roster_runs_are_over(const struct roster *r)
{
	for (struct member *m = roster_next(r, NULL); m; m = roster_next(r, m)) {
		if (!consumer_runs_are_over(m->consumer))
			return false;
	}
	return true;
}

void roster_on_runs_over(void *roster)
{
	struct roster *r = roster;

	if (r->closing && roster_runs_are_over(r))
		r->on_runs_over(r->owner);
}

void roster_close(struct roster *r)
{
	r->closing = true;
	list_foreach(&r->members, node) {
		if (member_of(node)->state != MEMBER_LEAVING)
			leave(member_of(node));
	}
}

void roster_end_runs(struct roster *r)
{
	for (struct member *m = roster_next(r, NULL); m; m = roster_next(r, m))
		consumer_end_runs(m->consumer);
}
