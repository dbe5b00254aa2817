/* SPDX-License-Identifier: MIT */
/*
 * Owns the servers and knows which of them serves which home.
 *
 * Invariant: a home hears of on_up and on_down in turn, and never from inside one of its own
 * replies.
 */
#include "redis/keyspace.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

struct keyspace {
	struct redis_host *host;
	struct list homes;
	struct server *server;
	struct server_user user;
};

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

static void on_server_up(struct server_user *u)
{
	struct keyspace *k = container_of(u, struct keyspace, user);

	list_foreach_safe(&k->homes, node) {
		home_up(container_of(node, struct home, node));
	}
}

static void on_server_down(struct server_user *u)
{
	struct keyspace *k = container_of(u, struct keyspace, user);

	list_foreach_safe(&k->homes, node) {
		home_down(container_of(node, struct home, node));
	}
}

struct keyspace *keyspace_new(struct redis_host *host, const char *client_name)
{
	struct keyspace *k = xcalloc(1, sizeof(*k));

	k->host = host;
	list_init(&k->homes);
	k->server = server_new(host, client_name);
	k->user = (struct server_user){ .on_up = on_server_up, .on_down = on_server_down };
	server_join(k->server, &k->user);
	return k;
}

void keyspace_open(struct keyspace *k)
{
	server_open(k->server);
}

void keyspace_close(struct keyspace *k)
{
	server_close(k->server);
}

void keyspace_free(struct keyspace *k)
{
	if (!k)
		return;
	assert(list_empty(&k->homes));
	server_leave(k->server, &k->user);
	server_free(k->server);
	free(k);
}

uint64_t keyspace_n_losses(const struct keyspace *k)
{
	return server_n_losses(k->server);
}

/* ---- homes ---- */

void home_join(struct keyspace *k, struct home *h)
{
	h->keyspace = k;
	h->server = k->server;
	list_append(&k->homes, &h->node);
	if (server_is_up(h->server))
		home_up(h);
}

void home_leave(struct home *h)
{
	if (list_listed(&h->node))
		list_remove(&h->keyspace->homes, &h->node);
}

bool home_is_up(const struct home *h)
{
	return h->is_up && server_is_up(h->server);
}

bool home_has_tried(const struct home *h)
{
	return h->server && server_has_tried(h->server);
}

const struct endpoint *home_endpoint(const struct home *h)
{
	(void)h;
	return NULL;
}

struct buf *home_out(struct home *h)
{
	return server_out(h->server);
}

void home_expect(struct home *h, reply_fn *on_reply, void *request)
{
	server_expect(h->server, on_reply, h->owner, request);
}

struct buf *home_script(struct home *h, enum script script, size_t n_keys, size_t n_args)
{
	return server_script(h->server, script, n_keys, n_args);
}

void home_scripts_forgotten(struct home *h)
{
	server_scripts_forgotten(h->server);
}

bool home_may_script(const struct home *h)
{
	return server_may_script(h->server);
}

void home_scripts_refused(struct home *h)
{
	server_scripts_refused(h->server);
}

void home_drop(struct home *h, const char *why)
{
	server_drop(h->server, why);
}
