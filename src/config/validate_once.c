/* SPDX-License-Identifier: MIT */
#include "config/validate_once.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/section.h"
#include "core/guardkey.h"

static void error_at(const struct loaded *l, const struct section *s, const char *expected,
    const char *stream)
{
	struct buf text = { 0 };

	buf_append_text(&text, expected);
	if (stream) {
		buf_append_text(&text, ", for ");
		ynode_append_quoted(&text, stream);
	}
	diag_error(l->diag, section_place(s, "once.key"), "%s.once.key: expected %.*s", s->path,
	    (int)buf_len(&text), buf_data(&text));
	buf_done(&text);
}

/* What the key of one of the streams lacks; NULL: nothing. */
static const char *why_bad(const struct loaded *l, const struct guardkey *k, const char *stream)
{
	if (guardkey_fixed_bytes(k) > GUARDKEY_MAX_BYTES)
		return "keys of at most 1024 bytes";
	if (l->config->redis.cluster && !guardkey_is_in_slot_of(k, stream))
		return "keys in the slot of the stream, beginning with {%s}";
	return NULL;
}

/* One error is enough: all streams have the same pattern. */
static void check_keys(const struct loaded *l, const struct section *s)
{
	const struct consumer_settings *c = s->dest;

	for (size_t i = 0; i < c->streams.len; i++) {
		const char *stream = c->streams.items[i];
		struct guardkey *k = guardkey_new(c->once.key, stream, c->group);
		const char *why = why_bad(l, k, stream);

		guardkey_free(k);
		if (!why)
			continue;
		error_at(l, s, why, stream);
		return;
	}
}

static void check(const struct loaded *l, const struct section *s)
{
	const struct consumer_settings *c = s->dest;
	const struct ypair *key = section_own_pair(s, "once.key");
	const struct option *o = option_find(SCOPE_CONSUMER, slice_of("once.key"));

	/* What --print-config shows is a configuration, too. */
	if (key && !section_pair(s, "once.ttl") && !option_is_fallback(o, key->value))
		error_at(l, s, "once.ttl beside it", NULL);
	else if (c->once.ttl_ms && c->once.key && c->group)
		check_keys(l, s);
}

void validate_once(const struct loaded *l)
{
	for (size_t i = 0; i < l->config->n_consumers; i++)
		check(l, &l->consumers[i]);
}

/* ---- groups that share keys ---- */

/* A stream read by a consumer whose keys do not name its group. */
struct use {
	const struct section *section;
	const char *stream;
};

static const struct consumer_settings *settings_of(const struct use *u)
{
	return u->section->dest;
}

static int by_stream_and_key(const void *a, const void *b)
{
	const struct use *left = a, *right = b;
	int order = strcmp(left->stream, right->stream);

	return order ? order : strcmp(settings_of(left)->once.key, settings_of(right)->once.key);
}

static bool shares_keys(const struct consumer_settings *c)
{
	return c->once.ttl_ms && !guardkey_names_group(c->once.key);
}

static size_t list_uses(const struct loaded *l, struct use **ret_uses)
{
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < l->config->n_consumers; i++)
		cap += l->config->consumers[i].streams.len;
	*ret_uses = xcalloc(cap + 1, sizeof(**ret_uses));
	for (size_t i = 0; i < l->config->n_consumers; i++) {
		const struct consumer_settings *c = &l->config->consumers[i];

		for (size_t k = 0; shares_keys(c) && k < c->streams.len; k++)
			(*ret_uses)[n++] = (struct use){ &l->consumers[i], c->streams.items[k] };
	}
	qsort(*ret_uses, n, sizeof(**ret_uses), by_stream_and_key);
	return n;
}

static void warn_of(const struct loaded *l, const struct use *u, const struct use *other)
{
	struct buf stream = { 0 };

	ynode_append_quoted(&stream, u->stream);
	diag_warning(l->diag, section_place(u->section, "once.key"),
	    "%s.once.key: without %%g its group and that of %s skip each other's entries of %.*s",
	    u->section->path, other->section->path, (int)buf_len(&stream), buf_data(&stream));
	buf_done(&stream);
}

void validate_once_warn(const struct loaded *l)
{
	const struct section *warned = NULL;
	struct use *uses;
	size_t n = list_uses(l, &uses);

	for (size_t i = 1; i < n; i++) {
		const struct use *u = &uses[i], *other = &uses[i - 1];

		if (by_stream_and_key(u, other) != 0 || u->section == warned ||
		    strcmp(settings_of(u)->group, settings_of(other)->group) == 0)
			continue;
		warn_of(l, u, other);
		warned = u->section;
	}
	free(uses);
}
