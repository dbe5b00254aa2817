/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/doctor.h"
#include "ctl/fields.h"

/* A key that is not there has neither groups nor data: the check "stream" says so. */
static bool is_no_key(const struct reply *r)
{
	return reply_is_error(r) && slice_is(r->text, "ERR no such key");
}

static bool is_wrong_type(const struct reply *r)
{
	return reply_is_error(r) && redis_error_class(r->text) == REDIS_WRONGTYPE;
}

static const struct reply *ask_xinfo(struct doctor *d, const char *what, const char *right)
{
	place_words(d->place, "XINFO", what, d->target->stream, NULL);
	return doctor_ask(d, right);
}

static void note_error(struct doctor *d, const struct reply *r)
{
	struct slice text = reply_text(r);

	doctor_note(d, HEALTH_UNKNOWN, "could not be checked: %.*s", (int)text.len, text.data);
}

/* ---- stream and group */

void look_at_stream(struct doctor *d)
{
	const struct reply *r = ask_xinfo(d, "STREAM", "xinfo|stream");

	if (!r)
		return;
	if (is_wrong_type(r)) {
		doctor_note(d, HEALTH_ERROR, "the key is no stream");
		doctor_advise(d, "TYPE %s; is it the right name, and the right database?",
		    d->target->stream);
	} else if (is_no_key(r)) {
		doctor_note(d, HEALTH_OK, "not there yet");
	} else if (reply_is_error(r)) {
		note_error(d, r);
	} else {
		doctor_note(d, HEALTH_OK, "%" PRIu64 " entries",
		    (uint64_t)reply_integer(xinfo_field(r, "length")));
	}
}

static void note_missing_group(struct doctor *d)
{
	const struct target *t = d->target;
	enum missing_group policy =
	    d->consumer ? d->consumer->on_missing_group : MISSING_GROUP_WAIT;

	if (policy == MISSING_GROUP_CREATE) {
		doctor_note(d, HEALTH_OK, "%s is not there yet: the daemon makes it", t->group);
		return;
	}
	doctor_note(d, policy == MISSING_GROUP_FAIL ? HEALTH_ERROR : HEALTH_WARNING,
	    "%s is not there, and nothing is read before it is", t->group);
	doctor_advise(d, "XGROUP CREATE %s %s 0 MKSTREAM", t->stream, t->group);
}

void look_at_group(struct doctor *d)
{
	const struct reply *r = ask_xinfo(d, "GROUPS", "xinfo|groups"), *group;

	if (!r || is_wrong_type(r))
		return;
	if (reply_is_error(r) && !is_no_key(r)) {
		note_error(d, r);
		return;
	}
	group = xinfo_named(r, d->target->group);
	if (group)
		doctor_note(d, HEALTH_OK, "%" PRIu64 " pending",
		    (uint64_t)reply_integer(xinfo_field(group, "pending")));
	else
		note_missing_group(d);
}

/* ---- dead letters */

static void look_at_dead_key(struct doctor *d, const char *key)
{
	const struct reply *r;

	place_words(d->place, "XLEN", key, NULL);
	r = doctor_ask(d, "xlen");
	if (!r)
		return;
	if (is_wrong_type(r)) {
		doctor_note(d, HEALTH_ERROR,
		    "%s is no stream: what fails for good cannot be recorded, and stays pending",
		    key);
		doctor_advise(d, "RENAME %s to something else, or set dead_letter.stream", key);
	} else if (reply_is_error(r)) {
		note_error(d, r);
	} else {
		doctor_note(d, HEALTH_OK, "%" PRIu64 " in %s", (uint64_t)reply_integer(r), key);
	}
}

void look_at_dead_letters(struct doctor *d)
{
	const char *key = d->target->dead_letters;
	struct place *stream = d->place, dead;
	struct fault why = { 0 };

	if (!key) {
		doctor_note(d, HEALTH_OK, "off: what fails is tried for ever");
		return;
	}
	/* In a Cluster it may be on another node. */
	if (place_try(d->ctl->link, key, &dead, &why)) {
		doctor_note(d, HEALTH_UNKNOWN, "could not be checked: %s", why.why);
		return;
	}
	d->place = &dead;
	look_at_dead_key(d, key);
	d->place = stream;
	place_close(&dead);
}

/* ---- the name */

enum { MARGIN_MS = 1000, CLOCK_SLACK_MS = 200 };

/* For how long nobody has shown up under our name; UINT64_MAX: nobody ever has. False: no answer.
 */
static bool read_idle_ms(struct doctor *d, uint64_t *ret_idle_ms)
{
	const struct reply *r, *row;
	int64_t idle;

	place_words(d->place, "XINFO", "CONSUMERS", d->target->stream, d->target->group, NULL);
	r = doctor_ask(d, "xinfo|consumers");
	if (!r || reply_is_error(r))
		return false;
	row = xinfo_named(r, d->target->consumer);
	idle = reply_integer(xinfo_field(row, "idle"));
	*ret_idle_ms = row ? (uint64_t)(idle < 0 ? 0 : idle) : UINT64_MAX;
	return true;
}

static bool has_host(const char *name)
{
	char host[256] = "";

	return gethostname(host, sizeof(host) - 1) == 0 && strstr(name, host);
}

static void note_name_is_free(struct doctor *d)
{
	const char *name = d->target->consumer;

	if (has_host(name))
		doctor_note(d, HEALTH_OK, "nobody else is %s", name);
	else
		doctor_note(d, HEALTH_OK,
		    "nobody else is %s; it has no %%H, so that one host alone may use it", name);
}

static void note_twin(struct doctor *d)
{
	doctor_note(d, HEALTH_ERROR,
	    "another daemon is at work as %s: of two with one name one does nothing",
	    d->target->consumer);
	doctor_advise(d, "put %%H into `consumer`, which stands for the host, or give one of them "
	                 "another `instance`");
}

/* A living reader shows by its idle time, which goes down while it is watched. */
static bool shows_up(struct doctor *d, uint64_t block_ms)
{
	uint64_t seen_at_ms = clock_mono_ms(), idle_ms;

	link_pause(d->ctl->link, block_ms + MARGIN_MS);
	return read_idle_ms(d, &idle_ms) && idle_ms + CLOCK_SLACK_MS < clock_mono_ms() - seen_at_ms;
}

/* Before Redis 7.2 a reader that waits leaves its idle time as it is. Then the name of its
 * connection tells, as far as it is the same on every host, like the one in the group. */
static bool is_listed(struct doctor *d)
{
	const struct reply *r;
	char *wanted;
	bool is_there;

	if (has_host(d->target->consumer))
		return false;
	wanted = xasprintf(" name=sluiced.%s.%s.reader ", d->ctl->config->daemon.instance,
	    d->consumer->name);
	place_words(d->place, "CLIENT", "LIST", NULL);
	r = ask(d->place);
	is_there = memmem(reply_text(r).data, reply_text(r).len, wanted, strlen(wanted));
	free(wanted);
	return is_there;
}

/* The streams of a consumer have one reader each, in one daemon: the first one tells for all. */
static void watch_name(struct doctor *d, uint64_t idle_ms)
{
	uint64_t block_ms = d->consumer->read.block_ms;

	if (d->is_watched)
		return;
	d->is_watched = true;
	d->is_twin = (idle_ms < block_ms + MARGIN_MS && shows_up(d, block_ms)) || is_listed(d);
}

void look_at_name(struct doctor *d)
{
	uint64_t idle_ms;

	if (!d->target->consumer || !d->consumer || !read_idle_ms(d, &idle_ms))
		return;
	if (d->service.pid) {
		doctor_note(d, HEALTH_OK, "%s is the daemon here", d->target->consumer);
		return;
	}
	if (d->service.is_hidden) {
		doctor_note(d, HEALTH_UNKNOWN,
		    "could not be checked: whether the daemon here is at work may not be seen");
		return;
	}
	watch_name(d, idle_ms);
	if (d->is_twin)
		note_twin(d);
	else
		note_name_is_free(d);
}

/* ---- trimming */

struct history {
	struct entryid read; /* the last one delivered */
	struct entryid first, deleted;
	uint64_t n_read, n_added, length;
	bool knows_read, knows_added; /* from Redis 7.0 on */
};

static struct entryid id_in(const struct reply *r)
{
	struct entryid id = { 0, 0 };

	return entryid_parse(reply_text(r), &id) == 0 ? id : (struct entryid){ 0, 0 };
}

static bool read_group(struct doctor *d, struct history *h)
{
	const struct reply *r = ask_xinfo(d, "GROUPS", "xinfo|groups"), *group, *n_read;

	group = xinfo_named(r, d->target->group);
	if (!group)
		return false;
	n_read = xinfo_field(group, "entries-read");
	h->read = id_in(xinfo_field(group, "last-delivered-id"));
	h->n_read = (uint64_t)reply_integer(n_read);
	h->knows_read = (n_read && n_read->type == REPLY_INTEGER) || entryid_is_zero(h->read);
	return true;
}

static bool read_stream(struct doctor *d, struct history *h)
{
	const struct reply *r = ask_xinfo(d, "STREAM", "xinfo|stream");

	if (!r || reply_is_error(r))
		return false;
	h->first = id_in(reply_at(xinfo_field(r, "first-entry"), 0));
	h->deleted = id_in(xinfo_field(r, "max-deleted-entry-id"));
	h->length = (uint64_t)reply_integer(xinfo_field(r, "length"));
	h->knows_added = xinfo_field(r, "entries-added");
	h->n_added = (uint64_t)reply_integer(xinfo_field(r, "entries-added"));
	return true;
}

/* How many entries went before the group had read them, as far as that is known. */
static uint64_t count_lost(const struct history *h)
{
	bool all_unread = !h->length || entryid_compare(h->read, h->first) < 0;

	if (all_unread && h->knows_read && h->n_added > h->n_read + h->length)
		return h->n_added - h->n_read - h->length;
	return entryid_compare(h->deleted, h->read) > 0;
}

static void note_lost(struct doctor *d, const struct history *h, uint64_t n)
{
	/* It may be younger than what was trimmed. */
	bool is_new = entryid_is_zero(h->read);

	doctor_note(d, is_new ? HEALTH_WARNING : HEALTH_ERROR,
	    "%s%" PRIu64 " %s trimmed or deleted before the group had read %s%s",
	    entryid_compare(h->deleted, h->read) > 0 ? "at least " : "", n,
	    n == 1 ? "entry was" : "entries were", n == 1 ? "it" : "them",
	    is_new ? ", which has read nothing yet" : "");
	doctor_advise(d,
	    "trim less, or by `trim: {acknowledged: true}`, which waits for every group");
}

/* Pending entries that lie before the first one that is left. */
static uint64_t count_gone(struct doctor *d, const struct history *h)
{
	char end[ENTRYID_TEXT_SIZE + 1] = "+";
	const struct reply *r;

	if (h->length) {
		end[0] = '(';
		end[1 + entryid_format(h->first, end + 1)] = '\0';
	}
	place_words(d->place, "XPENDING", d->target->stream, d->target->group, "-", end, "100",
	    NULL);
	r = doctor_ask(d, "xpending");
	return reply_len(r);
}

static void note_gone(struct doctor *d, uint64_t n)
{
	doctor_note(d, HEALTH_WARNING,
	    "%s%" PRIu64
	    " pending %s no data any more: trimmed, and recorded as a dead letter when "
	    "looked at",
	    n >= 100 ? "at least " : "", n, n == 1 ? "entry has" : "entries have");
	doctor_advise(d,
	    "trim less, or by `trim: {acknowledged: true}`, which waits for every group");
}

void look_at_trimming(struct doctor *d)
{
	struct history h = { 0 };
	uint64_t n_lost, n_gone;

	if (!read_group(d, &h) || !read_stream(d, &h))
		return;
	n_lost = count_lost(&h);
	n_gone = count_gone(d, &h);
	if (n_lost)
		note_lost(d, &h, n_lost);
	if (n_gone)
		note_gone(d, n_gone);
	if (!n_lost && !n_gone && h.knows_added)
		doctor_note(d, HEALTH_OK, "nothing that the group has not read");
	else if (!n_lost && !n_gone)
		doctor_note(d, HEALTH_UNKNOWN, "could not be checked before Redis 7.0");
}
