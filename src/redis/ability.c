/* SPDX-License-Identifier: MIT */
/*
 * Three sources: COMMAND INFO for whole commands, the probe script for what only answers about a
 * stream show, and answers that come anyway. Where an ACL refuses a question the ability stays
 * unknown, which is no error.
 *
 * COMMAND INFO is asked only about commands without subcommands: those of the others nest deeper
 * than hiredis 0.14 can read.
 */
#include "redis/ability.h"

#include <stdio.h>

#include "base/log.h"
#include "redis/command.h"
#include "redis/dial.h"

/* A group without consumers tells nothing of them: later it may. */
enum { PROBE_AGAIN_MS = 500 };

struct ability_row {
	const char *word;
	const char *command; /* COMMAND INFO tells of it; NULL: something else does */
	const char *with, *without;
};

static const struct ability_row rows[ABILITY_COUNT] = {
	[ABILITY_SCRIPTS] = { "scripts", NULL, "looks and acts in one script",
	    "looks, then acts: plain commands" },
	[ABILITY_MAX_DELETED] = { "max_deleted_entry_id", NULL,
	    "only entries up to the highest deleted id are looked up", "each entry is looked up" },
	[ABILITY_LAG] = { "lag", NULL, "told by XINFO GROUPS", "not known" },
	[ABILITY_INACTIVE] = { "inactive", NULL, "a name in use is noticed by each read",
	    "a name in use is noticed by reads that bring something" },
	[ABILITY_XAUTOCLAIM] = { "xautoclaim", "XAUTOCLAIM", "not used: XPENDING and a script",
	    "not used: XPENDING and a script" },
	[ABILITY_XACKDEL] = { "xackdel", "XACKDEL", "not used: XACK", "not used: XACK" },
	[ABILITY_XNACK] = { "xnack", "XNACK", "not used: XCLAIM gives back",
	    "not used: XCLAIM gives back" },
	[ABILITY_XREADGROUP_CLAIM] = { "xreadgroup_claim", NULL, "not used: sweeps",
	    "not used: sweeps" },
};

const char *ability_word(enum ability a)
{
	return rows[a].word;
}

const char *ability_path(const struct abilities *a, enum ability which)
{
	switch (a->states[which]) {
	case ABILITY_HAS:
		return rows[which].with;
	case ABILITY_HAS_NOT:
		return rows[which].without;
	case ABILITY_UNKNOWN:
		break;
	}
	return NULL;
}

void abilities_learn(struct abilities *a, enum ability which, bool has)
{
	a->states[which] = has ? ABILITY_HAS : ABILITY_HAS_NOT;
}

/* ---- what it tells of a stream ---- */

/* Without any word there was nothing that it could have told something of. */
static void learn_from_words(struct abilities *a, enum ability which, const struct reply *words,
    const char *word)
{
	bool has = false;

	for (size_t i = 0; i < reply_len(words); i++)
		has = has || slice_is(reply_text(reply_at(words, i)), word);
	if (reply_len(words))
		abilities_learn(a, which, has);
}

bool abilities_take_probe(struct abilities *a, uint64_t now_ms)
{
	static const enum ability found_out[] = { ABILITY_SCRIPTS, ABILITY_MAX_DELETED, ABILITY_LAG,
		ABILITY_INACTIVE };
	bool is_known = true;

	for (size_t i = 0; i < sizeof(found_out) / sizeof(found_out[0]); i++)
		is_known = is_known && a->states[found_out[i]] != ABILITY_UNKNOWN;
	if (is_known || (a->probed_at_ms && now_ms - a->probed_at_ms < PROBE_AGAIN_MS))
		return false;
	a->probed_at_ms = now_ms;
	return true;
}

void abilities_learn_probe(struct abilities *a, const struct reply *r)
{
	abilities_learn(a, ABILITY_SCRIPTS, true);
	learn_from_words(a, ABILITY_MAX_DELETED, reply_at(r, 0), "max-deleted-entry-id");
	learn_from_words(a, ABILITY_LAG, reply_at(r, 1), "lag");
	learn_from_words(a, ABILITY_INACTIVE, reply_at(r, 2), "inactive");
	learn_from_words(a, ABILITY_XREADGROUP_CLAIM, reply_at(r, 3), "CLAIM");
}

/* ---- what it tells of itself ---- */

static struct slice detail(const struct reply *pairs, const char *name)
{
	for (size_t i = 0; i + 1 < reply_len(pairs); i += 2) {
		if (slice_is(reply_text(reply_at(pairs, i)), name))
			return reply_text(reply_at(pairs, i + 1));
	}
	return (struct slice){ "", 0 };
}

static void on_hello_reply(void *owner, void *request, const struct reply *r)
{
	struct abilities *a = owner;
	struct slice server = detail(r, "server"), version = detail(r, "version");

	(void)request;
	if (version.len)
		snprintf(a->version, sizeof(a->version), "%.*s %.*s", (int)server.len, server.data,
		    (int)version.len, version.data);
}

static void ask_version(struct abilities *a, struct conn *c)
{
	/* Without arguments it changes nothing; no ACL refuses it. */
	command_words(conn_out(c), "HELLO", NULL);
	conn_expect(c, conn_patience_ms(c), on_hello_reply, a, NULL);
}

/* A row for each command that was asked about, nil for one that is not known. */
static void on_info_reply(void *owner, void *request, const struct reply *r)
{
	struct abilities *a = owner;
	size_t n = 0;

	for (unsigned i = 0; i < ABILITY_COUNT; i++) {
		const struct reply *told = rows[i].command ? reply_at(r, n++) : NULL;

		if (told)
			abilities_learn(a, (enum ability)i, told->type == REPLY_ARRAY);
	}
	if (r)
		abilities_say(a, request);
}

static void ask_commands(struct abilities *a, struct conn *c)
{
	struct buf *out = conn_out(c);
	size_t n = 0;

	for (unsigned i = 0; i < ABILITY_COUNT; i++)
		n += rows[i].command != NULL;
	command_open(out, 2 + n);
	command_text(out, "COMMAND");
	command_text(out, "INFO");
	for (unsigned i = 0; i < ABILITY_COUNT; i++) {
		if (rows[i].command)
			command_text(out, rows[i].command);
	}
	conn_expect(c, conn_patience_ms(c), on_info_reply, a, c);
}

void abilities_ask(struct abilities *a, struct conn *c)
{
	memset(a->states, 0, sizeof(a->states));
	a->version[0] = '\0';
	a->probed_at_ms = 0;
	ask_version(a, c);
	ask_commands(a, c);
}

/* ---- said ---- */

static void append_news(struct abilities *a, enum ability which, struct buf *to)
{
	if (a->states[which] == ABILITY_UNKNOWN || a->states[which] == a->said[which])
		return;
	a->said[which] = a->states[which];
	buf_printf(to, "%s%s %s (%s)", buf_len(to) ? "; " : "", rows[which].word,
	    a->states[which] == ABILITY_HAS ? "yes" : "no", ability_path(a, which));
}

void abilities_say(struct abilities *a, const struct conn *c)
{
	struct buf news = { 0 };

	for (unsigned i = 0; i < ABILITY_COUNT; i++)
		append_news(a, (enum ability)i, &news);
	if (buf_len(&news))
		log_event(LEVEL_INFO, EVENT_CONNECTED, NULL, "%s%s%s%s: %.*s", conn_peer(c).text,
		    *a->version ? " (" : "", a->version, *a->version ? ")" : "",
		    (int)buf_len(&news), buf_data(&news));
	buf_done(&news);
}
