/* SPDX-License-Identifier: MIT */
/*
 * Errors are looked for even in a configuration with errors, so that all are told at once: a value
 * that could not be read is NULL or zero here. Warnings are not, for they would guess.
 */
#include "config/validate.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "config/validate_once.h"
#include "config/validate_redis.h"
#include "config/validate_tls.h"
#include "core/deadletter.h"
#include "core/slot.h"

static void error_at(const struct loaded *l, const struct section *s, const char *option,
    const char *text)
{
	diag_error(l->diag, section_place(s, option), "%s.%s: %s", s->path, option, text);
}

/* ---- keys that must be there, keys that exclude each other */

static void missing(const struct loaded *l, const struct section *s, const char *what)
{
	diag_error(l->diag, s->at, "%s: expected %s, got none", s->path, what);
}

static void check_required(const struct loaded *l, const struct section *s)
{
	if (s->own->kind != YNODE_MAP)
		return;
	for (size_t i = 0; i < n_options; i++) {
		const struct option *o = &options[i];
		char *what = o->required ? xasprintf("the key \"%s\"", o->path) : NULL;

		if (what && o->scope == s->scope && !section_pair(s, o->path))
			missing(l, s, what);
		free(what);
	}
	if (!section_pair(s, "stream") && !section_pair(s, "streams"))
		missing(l, s, "the key \"stream\" or \"streams\"");
	if (section_own_pair(s, "stream") && section_own_pair(s, "streams"))
		error_at(l, s, "streams", "expected either stream or streams, got both");
}

/* ---- one consumer */

static void check_window(const struct loaded *l, const struct section *s)
{
	const struct consumer_settings *c = s->dest;

	if (c->handler.mode == HANDLER_EXEC && c->handler.window > 1)
		error_at(l, s, "handler.window", "a window over 1 needs handler.mode: worker");
}

static void check_trim(const struct loaded *l, const struct section *s)
{
	const struct trim_settings *t = &((const struct consumer_settings *)s->dest)->trim;

	if (!!t->maxlen + !!t->max_age_ms + t->acknowledged > 1)
		error_at(l, s, t->acknowledged ? "trim.acknowledged" : "trim.max_age",
		    t->maxlen ? "expected at most one of maxlen, max_age and acknowledged, got "
		                "maxlen as well"
		              : "expected at most one of maxlen, max_age and acknowledged, got "
		                "max_age as well");
}

/* Only in the consumer itself: `defaults` may hold keys for both modes. */
static void warn_of_other_mode(const struct loaded *l, const struct section *s)
{
	const struct consumer_settings *c = s->dest;

	for (size_t i = 0; i < n_options; i++) {
		const struct option *o = &options[i];
		const struct ypair *own = o->mode ? section_own_pair(s, o->path) : NULL;

		if (own && !option_applies(o, c) && !option_is_fallback(o, own->value))
			diag_warning(l->diag, own->key->at, "%s.%s: has no effect in %s mode",
			    s->path, o->path, c->handler.mode == HANDLER_EXEC ? "exec" : "worker");
	}
}

static void warn_of_short_lease(const struct loaded *l, const struct section *s)
{
	const struct consumer_settings *c = s->dest;

	if (c->claim.min_idle_ms < 3 * c->read.block_ms)
		diag_warning(l->diag, section_place(s, "claim.min_idle"),
		    "%s.claim.min_idle: should be at least three times read.block: a reader that "
		    "is lost may hold entries for that long",
		    s->path);
}

/* ---- all consumers together */

/* A stream that a consumer reads. */
struct reading {
	const struct consumer_settings *consumer;
	const struct section *section;
	const char *stream;
};

struct readings {
	struct reading *items; /* by group, stream, name in the group, and place in the file */
	size_t len;
};

static int compare_streams(const void *a, const void *b)
{
	const struct reading *left = a, *right = b;
	int order = strcmp(left->consumer->group, right->consumer->group);

	return order ? order : strcmp(left->stream, right->stream);
}

static int compare_readings(const void *a, const void *b)
{
	const struct reading *left = a, *right = b;
	int order = compare_streams(a, b);

	if (!order)
		order = strcmp(left->consumer->consumer, right->consumer->consumer);
	if (!order)
		order = (left->section > right->section) - (left->section < right->section);
	return order;
}

static size_t count_streams(const struct config *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_consumers; i++)
		n += c->consumers[i].streams.len;
	return n;
}

static struct readings list_readings(const struct loaded *l)
{
	struct readings r = { .items = xcalloc(count_streams(l->config) + 1, sizeof(*r.items)) };

	for (size_t i = 0; i < l->config->n_consumers; i++) {
		const struct consumer_settings *c = &l->config->consumers[i];

		for (size_t k = 0; c->group && c->consumer && k < c->streams.len; k++)
			r.items[r.len++] = (struct reading){
				.consumer = c,
				.section = &l->consumers[i],
				.stream = c->streams.items[k],
			};
	}
	qsort(r.items, r.len, sizeof(*r.items), compare_readings);
	return r;
}

static void report_same(const struct loaded *l, const struct reading *first,
    const struct reading *second)
{
	const struct section *s = second->section;
	const char *key = section_pair(s, "stream") ? "stream" : "streams";
	struct buf stream = { 0 };

	ynode_append_quoted(&stream, second->stream);
	buf_append_char(&stream, '\0');
	if (first->section == s)
		diag_error(l->diag, section_place(s, key), "%s.%s: %s is there twice", s->path, key,
		    buf_data(&stream));
	else
		diag_error(l->diag, section_place(s, key),
		    "%s.%s: %s is read by %s with the same group and consumer name", s->path, key,
		    buf_data(&stream), first->section->path);
	buf_done(&stream);
}

static void check_same(const struct loaded *l, const struct readings *r)
{
	for (size_t i = 1; i < r->len; i++) {
		const struct reading *first = &r->items[i - 1], *second = &r->items[i];

		if (compare_streams(first, second) == 0 &&
		    strcmp(first->consumer->consumer, second->consumer->consumer) == 0)
			report_same(l, first, second);
	}
}

static bool group_reads(const struct readings *r, const struct consumer_settings *c,
    const char *stream)
{
	struct reading wanted = { .consumer = c, .stream = stream };

	return bsearch(&wanted, r->items, r->len, sizeof(*r->items), compare_streams) != NULL;
}

/* The first of a consumer's dead-letter streams that its group reads; NULL when none is. */
static char *find_loop(const struct readings *r, const struct consumer_settings *c)
{
	if (c->dead_letter.off || !c->group)
		return NULL;
	if (c->dead_letter.stream)
		return group_reads(r, c, c->dead_letter.stream) ? xstrdup(c->dead_letter.stream)
		                                                : NULL;
	for (size_t i = 0; i < c->streams.len; i++) {
		char *dead = deadletter_stream(&c->dead_letter, c->streams.items[i]);

		if (group_reads(r, c, dead))
			return dead;
		free(dead);
	}
	return NULL;
}

static void check_dead_letter(const struct loaded *l, const struct readings *r,
    const struct section *s)
{
	char *stream = find_loop(r, s->dest);
	struct buf shown = { 0 };

	if (!stream)
		return;
	ynode_append_quoted(&shown, stream);
	buf_append_char(&shown, '\0');
	diag_error(l->diag, section_place(s, "dead_letter.stream"),
	    "%s.dead_letter.stream: expected a stream that the group does not read, got %s",
	    s->path, buf_data(&shown));
	buf_done(&shown);
	free(stream);
}

/* Standard input, output, error and verdicts of each process; a blocking connection for each
 * stream and one for everything else. */
static void warn_of_descriptors(const struct loaded *l)
{
	uint64_t need = count_streams(l->config) + 1;
	struct rlimit limit;

	for (size_t i = 0; i < l->config->n_consumers; i++)
		need += 4 * l->config->consumers[i].handler.concurrency;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && need > limit.rlim_cur)
		diag_warning(l->diag, (struct diag_place){ 0 },
		    "needs %llu file descriptors (four for each process, one for each connection) "
		    "and may have %llu (LimitNOFILE=, ulimit -n)",
		    (unsigned long long)need, (unsigned long long)limit.rlim_cur);
}

/* ---- a Cluster */

static void check_cluster(const struct loaded *l)
{
	const struct redis_settings *r = &l->config->redis;

	if (!r->cluster) {
		if (r->nodes.len)
			error_at(l, l->redis, "nodes", "expected cluster: true beside it");
		return;
	}
	if (r->url.socket_path)
		error_at(l, l->redis, "url", "expected redis:// or rediss:// for a Cluster");
	else if (r->url.db)
		error_at(l, l->redis, "url", "expected no database: a Cluster has only one");
}

static void warn_of_other_slots(const struct loaded *l, const struct section *s)
{
	const struct consumer_settings *c = s->dest;

	if (!l->config->redis.cluster || c->dead_letter.off)
		return;
	for (size_t i = 0; i < c->streams.len; i++) {
		const char *stream = c->streams.items[i];
		char *dead = deadletter_stream(&c->dead_letter, stream);
		bool same = slot_of_key(slice_of(dead)) == slot_of_key(slice_of(stream));

		if (!same)
			diag_warning(l->diag, section_place(s, "dead_letter.stream"),
			    "%s.dead_letter.stream: %s and %s are in different slots: a dead "
			    "letter is "
			    "moved in two steps, and may be recorded twice",
			    s->path, dead, stream);
		free(dead);
		if (!same)
			return;
	}
}

static void check_errors(const struct loaded *l)
{
	struct readings r = list_readings(l);

	validate_redis(l);
	validate_tls(l);
	check_cluster(l);
	validate_once(l);
	check_same(l, &r);
	for (size_t i = 0; i < l->config->n_consumers; i++) {
		check_required(l, &l->consumers[i]);
		check_window(l, &l->consumers[i]);
		check_trim(l, &l->consumers[i]);
		check_dead_letter(l, &r, &l->consumers[i]);
	}
	free(r.items);
}

void validate(const struct loaded *l)
{
	check_errors(l);
	if (l->diag->n_errors)
		return;
	for (size_t i = 0; i < l->config->n_consumers; i++) {
		warn_of_other_mode(l, &l->consumers[i]);
		warn_of_short_lease(l, &l->consumers[i]);
		warn_of_other_slots(l, &l->consumers[i]);
	}
	validate_once_warn(l);
	validate_tls_warn(l);
	warn_of_descriptors(l);
	validate_redis_warn(l);
}
