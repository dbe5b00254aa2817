/* SPDX-License-Identifier: MIT */
#include "redis/handshake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "redis/command.h"
#include "redis/secret.h"
#include "redis/sentinel.h"

static void expect(struct handshake *h, reply_fn *on_reply)
{
	conn_expect(h->conn, conn_patience_ms(h->conn), on_reply, h, NULL);
}

/* The first refusal is the cause of those that follow it. */
static void refused(struct handshake *h, const char *what, struct slice text)
{
	if (redis_error_class(text) == REDIS_AUTH)
		fault_set_lasting(fault_at(&h->fault), "%s: %.*s", what, (int)text.len, text.data);
	else
		fault_set(fault_at(&h->fault), "%s: %.*s", what, (int)text.len, text.data);
}

static void on_auth_reply(void *owner, void *request, const struct reply *r)
{
	(void)request;
	if (reply_is_error(r))
		refused(owner, "AUTH", r->text);
}

static void on_select_reply(void *owner, void *request, const struct reply *r)
{
	(void)request;
	if (reply_is_error(r))
		refused(owner, "SELECT", r->text);
}

static bool is_nopermission(struct slice error)
{
	return error.len >= 6 && memcmp(error.data, "NOPERM", 6) == 0;
}

/* Names and numbers are a service to operators: an ACL may refuse them. But a server that is full
 * or in protected mode says so unasked, and that arrives as the reply to whatever came first. */
static void on_name_reply(void *owner, void *request, const struct reply *r)
{
	enum redis_error class;

	(void)request;
	if (!reply_is_error(r) || is_nopermission(r->text))
		return;
	class = redis_error_class(r->text);
	if (class == REDIS_TEMPORARY || class == REDIS_AUTH)
		refused(owner, "CLIENT SETNAME", r->text);
}

static void on_id_reply(void *owner, void *request, const struct reply *r)
{
	struct handshake *h = owner;

	(void)request;
	if (r && r->type == REPLY_INTEGER)
		h->client_id = (uint64_t)r->integer;
}

bool handshake_role_is_primary(const struct reply *r)
{
	struct slice role = reply_text(reply_at(r, 0));

	return role.len == 6 && memcmp(role.data, "master", 6) == 0;
}

/* A stale Sentinel names the old primary, which is a replica now. */
static void on_role_reply(void *owner, void *request, const struct reply *r)
{
	struct handshake *h = owner;
	struct slice role = reply_text(reply_at(r, 0));

	(void)request;
	if (!r || handshake_role_is_primary(r))
		return;
	if (!reply_is_error(r))
		refused(h, "it is no primary, its role is", role);
	else if (is_nopermission(r->text))
		sentinels_role_refused(h->host->sentinels, r->text);
	else
		refused(h, "ROLE", r->text);
}

static void on_ping_reply(void *owner, void *request, const struct reply *r)
{
	struct handshake *h = owner;

	(void)request;
	if (!r)
		return;
	/* An ACL without PING is no reason not to work. */
	if (reply_is_error(r) && !is_nopermission(r->text))
		refused(h, "PING", r->text);
	h->on_done(h->conn);
}

static void send_auth(struct handshake *h, const char *user, const char *password)
{
	if (user)
		command_words(conn_out(h->conn), "AUTH", user, password, NULL);
	else
		command_words(conn_out(h->conn), "AUTH", password, NULL);
	expect(h, on_auth_reply);
}

static int authenticate(struct handshake *h, const struct redis_settings *s)
{
	const char *user = s->secret.username ? s->secret.username : s->url.user;
	char *password = NULL, *path = NULL;
	int r = secret_read(&s->secret, &password, &path);

	if (r) {
		fault_set_lasting(fault_at(&h->fault), "%s: %s", path, strerror(-r));
		free(path);
		return r;
	}
	if (password)
		send_auth(h, user, password);
	else if (s->url.password)
		send_auth(h, user, s->url.password);
	secret_free(password);
	return 0;
}

struct handshake *handshake_new(struct conn *c, const struct redis_host *host,
    void (*on_done)(struct conn *c))
{
	struct handshake *h = xcalloc(1, sizeof(*h));

	h->conn = c;
	h->host = host;
	h->on_done = on_done;
	return h;
}

void handshake_free(struct handshake *h)
{
	if (!h)
		return;
	free(h->fault);
	free(h);
}

int handshake_start(struct handshake *h, const char *client_name)
{
	const struct redis_settings *settings = h->host->settings;
	struct buf *out = conn_out(h->conn);
	int r;

	r = authenticate(h, settings);
	if (r)
		return r;
	if (settings->url.db) {
		command_open(out, 2);
		command_text(out, "SELECT");
		command_u64(out, settings->url.db);
		expect(h, on_select_reply);
	}
	command_words(out, "CLIENT", "SETNAME", client_name, NULL);
	expect(h, on_name_reply);
	command_words(out, "CLIENT", "ID", NULL);
	expect(h, on_id_reply);
	if (h->host->sentinels) {
		command_words(out, "ROLE", NULL);
		expect(h, on_role_reply);
	}
	command_words(out, "PING", NULL);
	expect(h, on_ping_reply);
	return 0;
}
