/* SPDX-License-Identifier: MIT */
/* Values are compared as --print-config shows them, so a new type needs nothing of its own here;
 * only secrets, which it hides, are compared as they are. */
#include "config/difference.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "config/option.h"
#include "config/types.h"

static bool is_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* NULL where it is not set; the caller frees it. */
static char *shown(const struct option *o, const void *value)
{
	struct buf text = { 0 };

	if (o->type->print(o, value, &text))
		return buf_take_text(&text);
	buf_done(&text);
	return NULL;
}

static bool is_same_value(const struct option *o, const void *a, const void *b)
{
	char *shown_a, *shown_b;
	bool same;

	if (o->type == &type_secret)
		return is_same_text(*(char *const *)a, *(char *const *)b);
	shown_a = shown(o, a);
	shown_b = shown(o, b);
	same = is_same_text(shown_a, shown_b);
	free(shown_a);
	free(shown_b);
	return same;
}

/* The next option of the section, from *place on, with different values; NULL when there is none.
 */
static const struct option *next_difference(enum option_scope scope, size_t *place, const void *a,
    const void *b)
{
	while (*place < n_options) {
		const struct option *o = &options[(*place)++];

		if (o->scope == scope &&
		    !is_same_value(o, option_const_value(o, a), option_const_value(o, b)))
			return o;
	}
	return NULL;
}

enum consumer_difference consumer_difference(const struct consumer_settings *a,
    const struct consumer_settings *b)
{
	enum consumer_difference most = CONSUMER_SAME;
	const struct option *o;
	size_t place = 0;

	if (a->handler.files_stamp != b->handler.files_stamp)
		most = CONSUMER_HANDLER;
	while ((o = next_difference(SCOPE_CONSUMER, &place, a, b))) {
		enum consumer_difference d = CONSUMER_LIMITS + (int)o->change;

		if (d > most)
			most = d;
	}
	return most;
}

bool is_same_connection(const struct redis_settings *a, const struct redis_settings *b)
{
	size_t place = 0;

	return !next_difference(SCOPE_REDIS, &place, a, b);
}

const char *unchangeable_difference(const struct daemon_settings *a,
    const struct daemon_settings *b)
{
	const struct option *o;
	size_t place = 0;

	while ((o = next_difference(SCOPE_DAEMON, &place, a, b))) {
		if (o->change == CHANGES_DAEMON)
			return o->path;
	}
	return NULL;
}

/* FNV-1a */
static uint64_t mixed(uint64_t hash, uint64_t value)
{
	for (int i = 0; i < 8; i++) {
		hash = (hash ^ (value & 0xff)) * 0x100000001b3;
		value >>= 8;
	}
	return hash;
}

static uint64_t with_file(uint64_t hash, const char *path)
{
	struct stat st;

	if (!path || !strchr(path, '/') || stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return hash;
	hash = mixed(mixed(hash, st.st_dev), st.st_ino);
	hash = mixed(mixed(hash, (uint64_t)st.st_mtim.tv_sec), (uint64_t)st.st_mtim.tv_nsec);
	return mixed(hash, (uint64_t)st.st_size);
}

uint64_t files_stamp(const struct handler_settings *h)
{
	uint64_t hash = with_file(0xcbf29ce484222325, h->program);

	for (size_t i = 1; i < h->command.len; i++)
		hash = with_file(hash, h->command.items[i]);
	return hash;
}
