/* SPDX-License-Identifier: MIT */
/*
 * Owns the nodes and the table of slots, and moves each home to where its key is served.
 *
 * Invariant: a home hears of on_up and on_down in turn, and of a move never from inside one of its
 * own replies: what replies tell of places is noted, and applied at the end of the turn.
 */
#include "redis/keyspace.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "redis/command.h"
#include "redis/nodes.h"
#include "redis/slotmap.h"
#include "redis/slottable.h"

enum { UNSETTLED_MS = 1000, HOPS_MAX = 5, HOPS_MS = 1000 };

struct keyspace {
	struct redis_host *host;
	struct nodes nodes;
	struct node *only;       /* not a Cluster: serves everything */
	struct slottable *slots; /* a Cluster; else NULL */
	struct list homes;
	struct deferred apply;
};

/* ---- homes go up and down ---- */

static void home_up(struct home *h)
{
	if (h->is_up)
		return;
	h->is_up = true;
	if (h->on_up)
		h->on_up(h);
}

static void home_down(struct home *h)
{
	if (!h->is_up)
		return;
	h->is_up = false;
	if (h->on_down)
		h->on_down(h);
}

static void on_node_up(void *owner, struct node *n)
{
	struct keyspace *k = owner;

	if (k->slots)
		slottable_ask_in(k->slots, 0);
	list_foreach_safe(&k->homes, node) {
		struct home *h = container_of(node, struct home, node);

		if (h->at == n)
			home_up(h);
	}
}

static void on_node_down(void *owner, struct node *n)
{
	struct keyspace *k = owner;

	if (k->slots)
		slottable_ask_in(k->slots, 0);
	list_foreach_safe(&k->homes, node) {
		struct home *h = container_of(node, struct home, node);

		if (h->at == n)
			home_down(h);
	}
}

/* ---- and move ---- */

static struct node *place_of(const struct home *h)
{
	const struct keyspace *k = h->keyspace;

	if (!k->slots)
		return k->only;
	return h->ask ? h->ask : slottable_node(k->slots, h->slot);
}

/* What is pending there is answered with NULL, and what a callback sends then must not go there. */
static void leave_node(struct home *h)
{
	if (!h->at)
		return;
	h->is_up = false;
	server_abandon(h->at->server, h->owner);
	h->at->n_uses--;
	h->at = NULL;
}

static void settle_home(struct home *h)
{
	struct node *to = place_of(h);
	bool was_up = h->is_up;

	if (h->at == to)
		return;
	leave_node(h);
	if (was_up && h->on_down)
		h->on_down(h);
	h->at = to;
	if (!to)
		return;
	to->n_uses++;
	node_open(to);
	if (server_is_up(to->server))
		home_up(h);
}

/* The answer came, and did not name its slot: nothing else would tell of that. */
static void tell_unserved(struct home *h)
{
	bool is_unserved = !h->at && h->keyspace->slots && h->keyspace->slots->is_good;
	struct log_fields fields = { .stream = h->key };

	if (is_unserved && !h->is_unserved)
		log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, &fields,
		    "no node of the Cluster serves slot %u, to which the stream belongs: it waits "
		    "until one does",
		    (unsigned)h->slot);
	h->is_unserved = is_unserved;
}

static void settle_homes(struct keyspace *k, bool *ret_all_up, bool *ret_any_asks)
{
	*ret_all_up = true;
	*ret_any_asks = false;
	list_foreach_safe(&k->homes, node) {
		struct home *h = container_of(node, struct home, node);

		settle_home(h);
		tell_unserved(h);
		*ret_all_up = *ret_all_up && h->is_up;
		*ret_any_asks = *ret_any_asks || h->ask;
	}
}

/* While something is served by nobody, the configured nodes may know more. */
static void on_apply(struct deferred *d)
{
	struct keyspace *k = container_of(d, struct keyspace, apply);
	bool all_up, any_asks;

	if (k->slots->is_closed)
		return;
	settle_homes(k, &all_up, &any_asks);
	nodes_forget_unused(&k->nodes);
	if (all_up && k->slots->is_good)
		nodes_close_unused(&k->nodes);
	else
		nodes_open_seeds(&k->nodes);
	if (!all_up || any_asks)
		slottable_ask_in(k->slots, UNSETTLED_MS);
}

static void apply_soon(struct keyspace *k)
{
	loop_defer(k->host->loop, &k->apply);
}

/* The move of a slot is over when its new node is listed; without its new node it has failed. */
static bool move_is_over(const struct home *h)
{
	const struct server *to = h->ask->server;

	return h->ask == slottable_node(h->keyspace->slots, h->slot) ||
	       (server_has_tried(to) && !server_is_up(to));
}

static void on_slots(void *owner)
{
	struct keyspace *k = owner;

	list_foreach(&k->homes, node) {
		struct home *h = container_of(node, struct home, node);

		if (h->ask && move_is_over(h))
			h->ask = NULL;
	}
	apply_soon(k);
}

/* Two nodes send us to each other until one has heard of the other: not as fast as they can. */
static bool may_hop(struct home *h)
{
	uint64_t now_ms = loop_now_ms(h->keyspace->host->loop);

	if (now_ms - h->hops_since_ms >= HOPS_MS) {
		h->hops_since_ms = now_ms;
		h->n_hops = 0;
	}
	return h->n_hops++ < HOPS_MAX;
}

static void redirected(struct home *h, const struct redirect *r)
{
	struct keyspace *k = h->keyspace;
	struct node *to;

	if (r->slot != h->slot || !may_hop(h))
		return;
	to = nodes_at(&k->nodes, &r->to);
	h->ask = r->kind == REDIRECT_ASK ? to : NULL;
	if (r->kind == REDIRECT_MOVED)
		slottable_set(k->slots, r->slot, to);
	apply_soon(k);
}

void home_heard_error(struct home *h, enum redis_error class, struct slice text)
{
	struct keyspace *k = h->keyspace;
	struct redirect r;

	if (!h->at)
		return;
	if (class == REDIS_READONLY)
		home_drop(h, "the server is no primary any more");
	if (!k->slots)
		return;
	if (class == REDIS_MOVED && slotmap_redirect(text, &h->at->at, &r) == 0)
		redirected(h, &r);
	if (class == REDIS_MOVED || class == REDIS_READONLY || class == REDIS_TEMPORARY)
		slottable_ask_in(k->slots, 0);
}

/* ---- life ---- */

static void add_seed(struct keyspace *k, const struct endpoint *at)
{
	struct node *n = nodes_at(&k->nodes, at);

	n->is_seed = true;
}

static struct endpoint endpoint_of_url(const struct redisurl *url)
{
	struct endpoint e = { .port = url->port };

	snprintf(e.host, sizeof(e.host), "%s", url->host);
	return e;
}

static void make_cluster(struct keyspace *k)
{
	const struct redis_settings *s = k->host->settings;
	struct endpoint at = endpoint_of_url(&s->url);

	k->slots = xcalloc(1, sizeof(*k->slots));
	k->slots->nodes = &k->nodes;
	k->slots->owner = k;
	k->slots->on_answer = on_slots;
	slottable_init(k->slots);
	if (!s->nodes.len || !redisurl_is_default(&s->url))
		add_seed(k, &at);
	for (size_t i = 0; i < s->nodes.len; i++) {
		/* The configuration has been checked. */
		if (endpoint_parse(slice_of(s->nodes.items[i]), &at) == 0)
			add_seed(k, &at);
	}
}

struct keyspace *keyspace_new(struct redis_host *host, const char *client_name)
{
	struct keyspace *k = xcalloc(1, sizeof(*k));

	k->host = host;
	k->nodes = (struct nodes){ .host = host,
		.owner = k,
		.on_up = on_node_up,
		.on_down = on_node_down };
	nodes_init(&k->nodes, client_name);
	list_init(&k->homes);
	k->apply.run = on_apply;
	if (host->settings->cluster)
		make_cluster(k);
	else
		k->only = nodes_at(&k->nodes, NULL);
	return k;
}

void keyspace_open(struct keyspace *k)
{
	nodes_open_all(&k->nodes);
}

void keyspace_close(struct keyspace *k)
{
	if (k->slots)
		slottable_close(k->slots);
	nodes_close(&k->nodes);
}

void keyspace_free(struct keyspace *k)
{
	if (!k)
		return;
	assert(list_empty(&k->homes));
	loop_undefer(k->host->loop, &k->apply);
	if (k->slots)
		slottable_close(k->slots);
	nodes_done(&k->nodes);
	free(k->slots);
	free(k);
}

uint64_t keyspace_n_losses(const struct keyspace *k)
{
	return nodes_n_losses(&k->nodes);
}

bool keyspace_is_cluster(const struct keyspace *k)
{
	return k->slots != NULL;
}

/* ---- what homes are for ---- */

void home_join(struct keyspace *k, struct home *h)
{
	h->keyspace = k;
	h->slot = slot_of_key(slice_of(h->key));
	list_append(&k->homes, &h->node);
	settle_home(h);
}

void home_leave(struct home *h)
{
	if (!list_listed(&h->node))
		return;
	list_remove(&h->keyspace->homes, &h->node);
	leave_node(h);
}

bool home_is_up(const struct home *h)
{
	return h->is_up && server_is_up(h->at->server);
}

/* While the place is not known: whether every node that could tell has been tried. */
bool home_has_tried(const struct home *h)
{
	return h->at ? server_has_tried(h->at->server) : nodes_have_tried(&h->keyspace->nodes);
}

const char *home_last_fault(const struct home *h)
{
	return h->at ? server_last_fault(h->at->server) : nodes_last_fault(&h->keyspace->nodes);
}

const struct endpoint *home_endpoint(const struct home *h)
{
	return h->at && endpoint_is_set(&h->at->at) ? &h->at->at : NULL;
}

void home_announce(const struct home *h, struct conn *c)
{
	if (!h->ask)
		return;
	command_words(conn_out(c), "ASKING", NULL);
	conn_expect(c, conn_patience_ms(c), reply_ignored, NULL, NULL);
}

static void announce(struct home *h)
{
	if (!h->ask)
		return;
	command_words(server_out(h->at->server), "ASKING", NULL);
	server_expect(h->at->server, reply_ignored, NULL, NULL);
}

struct buf *home_out(struct home *h)
{
	announce(h);
	return server_out(h->at->server);
}

void home_expect(struct home *h, reply_fn *on_reply, void *request)
{
	server_expect(h->at->server, on_reply, h->owner, request);
}

struct buf *home_script(struct home *h, enum script script, size_t n_keys, size_t n_args)
{
	announce(h);
	return server_script(h->at->server, script, n_keys, n_args);
}

void home_scripts_forgotten(struct home *h)
{
	server_scripts_forgotten(h->at->server);
}

bool home_may_script(const struct home *h)
{
	return server_may_script(h->at->server);
}

void home_scripts_refused(struct home *h)
{
	server_scripts_refused(h->at->server);
}

const struct abilities *home_abilities(const struct home *h)
{
	return h->at ? server_abilities(h->at->server) : NULL;
}

void home_learn(struct home *h, enum ability which, bool has)
{
	server_learn(h->at->server, which, has);
}

bool home_take_probe(struct home *h)
{
	return server_take_probe(h->at->server);
}

void home_learn_probe(struct home *h, const struct reply *r)
{
	server_learn_probe(h->at->server, r);
}

void home_drop(struct home *h, const char *why)
{
	server_drop(h->at->server, why);
}
