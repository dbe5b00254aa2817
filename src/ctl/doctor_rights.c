/* SPDX-License-Identifier: MIT */
/*
 * Each command of the table is tried: with ACL DRYRUN where there is that (Redis 7.0) and the user
 * has it, else by itself, in a form that does nothing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/guardkey.h"
#include "core/slot.h"
#include "ctl/doctor.h"
#include "ctl/rights.h"

enum verdict_of_acl { MAY, MAY_NOT_RUN, MAY_NOT_USE_KEY, NOT_TOLD };

enum { RIGHTS_MAX = 64 };

struct trial {
	struct doctor *doctor;
	const char *user;
	bool has_dryrun;
	bool lacks[RIGHTS_MAX]; /* by right */
	struct buf keys;        /* " ~KEY" for each that is missing */
	size_t n_untold;
};

/* ---- one right */

static char *trim_key(const struct doctor *d, const struct target *t)
{
	char *suffix = xasprintf(":trim:%s", t->group);
	char *name = slot_key_beside(t->stream, suffix, ctl_redis(d->ctl)->cluster);

	free(suffix);
	return name;
}

/* What all guard keys begin with. */
static char *guard_prefix(const struct target *t)
{
	struct guardkey *k = guardkey_new(t->settings->once.key, t->stream, t->group);
	char *prefix = guardkey_prefix(k);

	guardkey_free(k);
	return prefix;
}

static bool has_guard(const struct target *t)
{
	return t->settings && t->settings->once.ttl_ms;
}

/* The key's name, which the caller frees; NULL: this consumer has none. */
static char *key_of(const struct doctor *d, const struct target *t, enum right_key key)
{
	switch (key) {
	case KEY_DEAD_LETTERS:
		return t->dead_letters ? xstrdup(t->dead_letters) : NULL;
	case KEY_TRIM:
		return trim_key(d, t);
	case KEY_GUARD:
		return has_guard(t) ? guard_prefix(t) : NULL;
	default:
		return xstrdup(t->stream);
	}
}

static const char *word_of(const char *word, const char *key, const char *group)
{
	if (strcmp(word, RIGHT_KEY) == 0)
		return key;
	return strcmp(word, RIGHT_GROUP) == 0 ? group : word;
}

static void write_command(struct trial *trial, struct place *p, const struct right *right,
    const char *key, const char *group)
{
	size_t n = 0;
	struct buf *out;

	while (n < RIGHT_WORDS_MAX && right->words[n])
		n++;
	out = place_command(p, n + (trial->has_dryrun ? 3 : 0));
	if (trial->has_dryrun) {
		command_text(out, "ACL");
		command_text(out, "DRYRUN");
		command_text(out, trial->user);
	}
	for (size_t i = 0; i < n; i++)
		command_text(out, word_of(right->words[i], key, group));
}

static enum verdict_of_acl by_text(struct slice text)
{
	return memmem(text.data, text.len, "access", 6) ? MAY_NOT_USE_KEY : MAY_NOT_RUN;
}

static enum verdict_of_acl verdict_of(const struct trial *trial, const struct reply *r)
{
	if (!r)
		return NOT_TOLD;
	if (is_refusal(r))
		return by_text(r->text);
	/* A dry run that is refused is no error. Errors are about the arguments, or about a command
	 * that the server does not know: then nobody needs it. */
	if (trial->has_dryrun && !reply_is_error(r) && !slice_is(reply_text(r), "OK"))
		return by_text(reply_text(r));
	return MAY;
}

static enum verdict_of_acl try_right(struct trial *trial, const struct target *t,
    const struct right *right, const char *key)
{
	struct place p;
	struct fault why = { 0 };
	enum verdict_of_acl verdict;

	/* In a Cluster each key has its node. */
	if (place_try(trial->doctor->ctl->link, key, &p, &why))
		return NOT_TOLD;
	write_command(trial, &p, right, key, t->group);
	verdict = verdict_of(trial, ask(&p));
	place_close(&p);
	return verdict;
}

static void find_dryrun(struct trial *trial)
{
	struct place *p = trial->doctor->place;
	const struct reply *r;

	place_words(p, "ACL", "DRYRUN", trial->user, "PING", NULL);
	r = ask(p);
	trial->has_dryrun = r && !reply_is_error(r);
}

/* ---- all of them */

static bool is_needed(const struct doctor *d, const struct right *right)
{
	const struct redis_settings *redis = ctl_redis(d->ctl);
	const struct trim_settings *trim = d->consumer ? &d->consumer->trim : NULL;

	switch (right->need) {
	case NEED_ALWAYS:
		return true;
	case NEED_TRIM:
		return trim && (trim->maxlen || trim->max_age_ms || trim->acknowledged);
	case NEED_ONCE:
		return d->consumer && d->consumer->once.ttl_ms;
	case NEED_CLUSTER:
		return redis->cluster;
	case NEED_SENTINEL:
		return redis->sentinel.master;
	}
	return false;
}

/* A key is missing when it is refused, and may be where no command about it can be run at all. */
static void note_key(struct trial *trial, const struct target *t, enum right_key key,
    const bool seen[NOT_TOLD + 1])
{
	char *name;

	if (key == KEY_NONE || seen[MAY] || !(seen[MAY_NOT_USE_KEY] || seen[MAY_NOT_RUN]))
		return;
	name = key_of(trial->doctor, t, key);
	if (name)
		rule_append_key(&trial->keys, name);
	if (name && key == KEY_GUARD)
		buf_append_char(&trial->keys, '*');
	free(name);
}

static void try_rights_of_key(struct trial *trial, const struct target *t, enum right_key key)
{
	bool seen[NOT_TOLD + 1] = { false };
	char *name = key_of(trial->doctor, t, key);
	bool is_first = t == trial->doctor->targets->items;

	for (size_t i = 0; name && i < n_rights; i++) {
		enum verdict_of_acl verdict;

		if (rights[i].key != key || !is_needed(trial->doctor, &rights[i]))
			continue;
		/* What the first stream has told of a command holds for the others; of their keys
		 * one command tells that may be run. */
		if (!is_first && trial->lacks[i])
			seen[MAY_NOT_RUN] = true;
		if (!is_first && (trial->lacks[i] || seen[MAY]))
			continue;
		verdict = try_right(trial, t, &rights[i], name);
		seen[verdict] = true;
		trial->lacks[i] |= verdict == MAY_NOT_RUN;
		trial->n_untold += verdict == NOT_TOLD;
	}
	note_key(trial, t, key, seen);
	free(name);
}

static void try_all(struct trial *trial)
{
	const struct targets *all = trial->doctor->targets;

	for (size_t i = 0; i < all->len; i++) {
		for (enum right_key key = i ? KEY_STREAM : KEY_NONE; key < KEY_COUNT; key++)
			try_rights_of_key(trial, &all->items[i], key);
	}
}

/* ---- what is noted */

static void append_rule(const struct trial *trial, struct buf *rule, const char *without)
{
	for (size_t i = 0; i < n_rights; i++) {
		if (trial->lacks[i] && rights[i].without == without)
			buf_printf(rule, " +%s", rights[i].name);
	}
}

/* To what the rule holds already the commands are added. */
static void note_lack(struct trial *trial, struct buf *rule, const char *without)
{
	struct doctor *d = trial->doctor;

	append_rule(trial, rule, without);
	if (!buf_len(rule))
		return;
	if (without)
		doctor_note(d, HEALTH_WARNING, "the user %s lacks%.*s: %s", trial->user,
		    (int)buf_len(rule), buf_data(rule), without);
	else
		doctor_note(d, HEALTH_ERROR,
		    "the user %s lacks what the daemon cannot work without", trial->user);
	doctor_advise(d, "ACL SETUSER %s%.*s%s", trial->user, (int)buf_len(rule), buf_data(rule),
	    ctl_redis(d->ctl)->cluster ? " (at every node)" : "");
}

static bool is_told_already(size_t right)
{
	for (size_t i = 0; i < right; i++) {
		if (rights[i].without == rights[right].without)
			return true;
	}
	return false;
}

static void note_all(struct trial *trial)
{
	size_t n_before = trial->doctor->findings.len;
	struct buf rule = { 0 };

	note_lack(trial, &trial->keys, NULL);
	for (size_t i = 0; i < n_rights; i++) {
		if (!rights[i].without || is_told_already(i))
			continue;
		buf_clear(&rule);
		note_lack(trial, &rule, rights[i].without);
	}
	buf_done(&rule);
	if (trial->n_untold)
		doctor_note(trial->doctor, HEALTH_UNKNOWN, "%zu could not be checked: no answer",
		    trial->n_untold);
	if (trial->doctor->findings.len == n_before)
		doctor_note(trial->doctor, HEALTH_OK, "the user %s may do all that is needed",
		    trial->user);
}

void look_at_rights(struct doctor *d)
{
	const char *user = ctl_redis(d->ctl)->secret.username;
	struct trial trial = { .doctor = d, .user = user ? user : "default" };

	assert(n_rights <= RIGHTS_MAX);
	if (!d->place)
		return;
	find_dryrun(&trial);
	try_all(&trial);
	note_all(&trial);
	buf_done(&trial.keys);
}
