/* SPDX-License-Identifier: MIT */
/*
 * Owns the command connection and what is known of the scripts on its far end. A script is called
 * by its digest once SCRIPT LOAD has told it, and by its text before, so a call never has to wait.
 */
#include "redis/server.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "redis/command.h"
#include "redis/handshake.h"

enum { DIGEST_LEN = 40, ROLE_INTERVAL_MS = 3000 };

/* Each text is the prelude, which the scripts share, and the script's own file: an order that must
 * not be sorted. */
/* clang-format off */
static const char *const script_texts[SCRIPT_COUNT] = {
	[SCRIPT_BEGIN] =
#include "redis/prelude.lua.inc"
#include "redis/begin.lua.inc"
	,
	[SCRIPT_CLAIM] =
#include "redis/prelude.lua.inc"
#include "redis/claim.lua.inc"
	,
	[SCRIPT_RENEW] =
#include "redis/prelude.lua.inc"
#include "redis/renew.lua.inc"
	,
	[SCRIPT_RELEASE] =
#include "redis/prelude.lua.inc"
#include "redis/release.lua.inc"
	,
	[SCRIPT_BURY] =
#include "redis/prelude.lua.inc"
#include "redis/bury.lua.inc"
	,
	[SCRIPT_PROBE] =
#include "redis/prelude.lua.inc"
#include "redis/probe.lua.inc"
	,
	[SCRIPT_TRIM] =
#include "redis/prelude.lua.inc"
#include "redis/trim.lua.inc"
	,
	[SCRIPT_ACK] =
#include "redis/prelude.lua.inc"
#include "redis/ack.lua.inc"
	,
};
/* clang-format on */

struct loaded_script {
	bool loaded;
	char digest[DIGEST_LEN];
};

struct server {
	struct redis_host *host;
	struct conn *conn;
	ev_timer role; /* with Sentinels: when to ask whether it is the primary still */
	struct list users;
	struct loaded_script scripts[SCRIPT_COUNT];
	struct abilities abilities;
};

static void on_loaded(void *owner, void *request, const struct reply *r)
{
	struct loaded_script *script = request;
	struct slice digest = reply_text(r);

	(void)owner;
	/* Where the ACL refuses SCRIPT LOAD the text is sent each time: slower, not worse. */
	if (!r || r->type != REPLY_TEXT || digest.len != DIGEST_LEN)
		return;
	memcpy(script->digest, digest.data, DIGEST_LEN);
	script->loaded = true;
}

static void load_scripts(struct server *s)
{
	for (int i = 0; i < SCRIPT_COUNT; i++) {
		s->scripts[i].loaded = false;
		command_words(conn_out(s->conn), "SCRIPT", "LOAD", script_texts[i], NULL);
		server_expect(s, on_loaded, s, &s->scripts[i]);
	}
}

static void on_role(void *owner, void *request, const struct reply *r)
{
	struct server *s = owner;

	(void)request;
	if (r && !reply_is_error(r) && !handshake_role_is_primary(r))
		conn_denied(s->conn);
}

static void ask_role_later(struct server *s)
{
	if (s->host->sentinels)
		loop_timer_in(s->host->loop, &s->role, ROLE_INTERVAL_MS);
}

/* A server that was demoted while it was cut off does not tell those who wait with BLOCK. */
static void on_role_due(struct ev_loop *ev, ev_timer *w, int events)
{
	struct server *s = w->data;

	(void)ev;
	(void)events;
	if (!server_is_up(s))
		return;
	command_words(conn_out(s->conn), "ROLE", NULL);
	server_expect(s, on_role, s, NULL);
	ask_role_later(s);
}

static void stop_asking_role(struct server *s)
{
	ev_timer_stop(loop_ev(s->host->loop), &s->role);
}

static void on_up(void *owner)
{
	struct server *s = owner;

	ask_role_later(s);
	/* The server, or its ACL, may be another now. */
	abilities_ask(&s->abilities, s->conn);
	load_scripts(s);
	list_foreach_safe(&s->users, node) {
		struct server_user *u = container_of(node, struct server_user, node);

		u->on_up(u);
	}
}

static void on_down(void *owner)
{
	struct server *s = owner;

	stop_asking_role(s);
	list_foreach_safe(&s->users, node) {
		struct server_user *u = container_of(node, struct server_user, node);

		u->on_down(u);
	}
}

struct server *server_new(struct redis_host *host, const char *client_name)
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->host = host;
	ev_init(&s->role, on_role_due);
	s->role.data = s;
	list_init(&s->users);
	s->conn = conn_new(&(struct conn_spec){
	    .host = host,
	    .client_name = client_name,
	    .owner = s,
	    .on_up = on_up,
	    .on_down = on_down,
	});
	return s;
}

void server_open(struct server *s)
{
	conn_open(s->conn);
}

void server_close(struct server *s)
{
	stop_asking_role(s);
	conn_close(s->conn);
}

void server_free(struct server *s)
{
	if (!s)
		return;
	stop_asking_role(s);
	conn_free(s->conn);
	free(s);
}

void server_join(struct server *s, struct server_user *u)
{
	list_append(&s->users, &u->node);
}

void server_leave(struct server *s, struct server_user *u)
{
	if (list_listed(&u->node))
		list_remove(&s->users, &u->node);
}

bool server_is_up(const struct server *s)
{
	return conn_is_up(s->conn);
}

bool server_has_tried(const struct server *s)
{
	return conn_has_tried(s->conn);
}

struct buf *server_out(struct server *s)
{
	return conn_out(s->conn);
}

void server_expect(struct server *s, reply_fn *on_reply, void *owner, void *request)
{
	conn_expect(s->conn, conn_patience_ms(s->conn), on_reply, owner, request);
}

struct buf *server_script(struct server *s, enum script script, size_t n_keys, size_t n_args)
{
	struct buf *out = conn_out(s->conn);
	const struct loaded_script *l = &s->scripts[script];

	command_open(out, 3 + n_keys + n_args);
	if (l->loaded) {
		command_text(out, "EVALSHA");
		command_slice(out, (struct slice){ l->digest, DIGEST_LEN });
	} else {
		command_text(out, "EVAL");
		command_text(out, script_texts[script]);
	}
	command_u64(out, n_keys);
	return out;
}

static bool is_any_loaded(const struct server *s)
{
	for (int i = 0; i < SCRIPT_COUNT; i++) {
		if (s->scripts[i].loaded)
			return true;
	}
	return false;
}

void server_scripts_forgotten(struct server *s)
{
	/* Calls that were on their way together fail together: the first one has them loaded. */
	if (server_is_up(s) && is_any_loaded(s))
		load_scripts(s);
}

bool server_may_script(const struct server *s)
{
	return s->abilities.states[ABILITY_SCRIPTS] != ABILITY_HAS_NOT;
}

void server_scripts_refused(struct server *s)
{
	server_learn(s, ABILITY_SCRIPTS, false);
}

const struct abilities *server_abilities(const struct server *s)
{
	return &s->abilities;
}

void server_learn(struct server *s, enum ability which, bool has)
{
	abilities_learn(&s->abilities, which, has);
	abilities_say(&s->abilities, s->conn);
}

bool server_take_probe(struct server *s)
{
	return server_may_script(s) &&
	       abilities_take_probe(&s->abilities, loop_now_ms(s->host->loop));
}

void server_learn_probe(struct server *s, const struct reply *r)
{
	abilities_learn_probe(&s->abilities, r);
	abilities_say(&s->abilities, s->conn);
}

void server_abandon(struct server *s, const void *owner)
{
	conn_abandon(s->conn, owner);
}

void server_go_to(struct server *s, const struct endpoint *to)
{
	conn_go_to(s->conn, to);
}

void server_drop(struct server *s, const char *why)
{
	conn_drop(s->conn, why);
}

uint64_t server_n_losses(const struct server *s)
{
	return conn_n_losses(s->conn);
}

const char *server_last_fault(const struct server *s)
{
	return conn_last_fault(s->conn);
}

size_t server_n_pending(const struct server *s)
{
	return conn_n_pending(s->conn);
}
