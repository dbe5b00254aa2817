/* SPDX-License-Identifier: MIT */
#include "redis/nodes.h"

#include <stdlib.h>

#include "base/alloc.h"

static void on_server_up(struct server_user *u)
{
	struct node *n = container_of(u, struct node, user);

	n->nodes->on_up(n->nodes->owner, n);
}

static void on_server_down(struct server_user *u)
{
	struct node *n = container_of(u, struct node, user);

	n->nodes->on_down(n->nodes->owner, n);
}

static struct node *node_new(struct nodes *nodes, const struct endpoint *at)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->nodes = nodes;
	n->server = server_new(nodes->host, nodes->client_name);
	if (at) {
		n->at = *at;
		server_go_to(n->server, at);
	}
	n->user = (struct server_user){ .on_up = on_server_up, .on_down = on_server_down };
	server_join(n->server, &n->user);
	list_append(&nodes->list, &n->node);
	return n;
}

static void node_free(struct node *n)
{
	n->nodes->n_losses += server_n_losses(n->server);
	list_remove(&n->nodes->list, &n->node);
	server_leave(n->server, &n->user);
	server_free(n->server);
	free(n);
}

static void node_close(struct node *n)
{
	if (n->is_open)
		server_close(n->server);
	n->is_open = false;
}

void node_open(struct node *n)
{
	if (n->is_open)
		return;
	n->is_open = true;
	server_open(n->server);
}

struct node *nodes_at(struct nodes *nodes, const struct endpoint *at)
{
	list_foreach(&nodes->list, node) {
		struct node *n = container_of(node, struct node, node);

		if (at ? endpoint_equals(&n->at, at) : !endpoint_is_set(&n->at))
			return n;
	}
	return node_new(nodes, at);
}

void nodes_forget_spares(struct nodes *nodes)
{
	list_foreach(&nodes->list, node) {
		container_of(node, struct node, node)->is_spare = false;
	}
}

void nodes_forget_unused(struct nodes *nodes)
{
	list_foreach_safe(&nodes->list, node) {
		struct node *n = container_of(node, struct node, node);

		if (!n->n_uses && !n->is_seed && !n->is_spare)
			node_free(n);
	}
}

void nodes_close_unused(struct nodes *nodes)
{
	list_foreach(&nodes->list, node) {
		struct node *n = container_of(node, struct node, node);

		if (!n->n_uses)
			node_close(n);
	}
}

void nodes_open_all(struct nodes *nodes)
{
	list_foreach(&nodes->list, node) {
		node_open(container_of(node, struct node, node));
	}
}

void nodes_open_seeds(struct nodes *nodes)
{
	list_foreach(&nodes->list, node) {
		struct node *n = container_of(node, struct node, node);

		if (n->is_seed)
			node_open(n);
	}
}

bool nodes_have_tried(const struct nodes *nodes)
{
	list_foreach(&nodes->list, node) {
		const struct node *n = container_of(node, struct node, node);

		if (n->is_open && !server_has_tried(n->server))
			return false;
	}
	return true;
}

const char *nodes_last_fault(const struct nodes *n)
{
	list_foreach(&n->list, node) {
		const char *fault =
		    server_last_fault(container_of(node, struct node, node)->server);

		if (*fault)
			return fault;
	}
	return "";
}

void nodes_close(struct nodes *nodes)
{
	list_foreach(&nodes->list, node) {
		node_close(container_of(node, struct node, node));
	}
}

uint64_t nodes_n_losses(const struct nodes *nodes)
{
	uint64_t n_losses = nodes->n_losses;

	list_foreach(&nodes->list, node) {
		n_losses += server_n_losses(container_of(node, struct node, node)->server);
	}
	return n_losses;
}

void nodes_init(struct nodes *nodes, const char *client_name)
{
	nodes->client_name = xstrdup(client_name);
	list_init(&nodes->list);
}

void nodes_done(struct nodes *nodes)
{
	list_foreach_safe(&nodes->list, node) {
		node_free(container_of(node, struct node, node));
	}
	free(nodes->client_name);
}
