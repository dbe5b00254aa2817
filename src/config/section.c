/* SPDX-License-Identifier: MIT */
/* Walks the table and the file side by side: what is in the file must be in the table. */
#include "config/section.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

bool is_ignored_key(const char *key)
{
	return strncmp(key, "x-", 2) == 0;
}

/* ---- unknown keys */

static size_t likeness_limit(const char *key)
{
	return strlen(key) <= 3 ? 1 : 2;
}

static const char *nearest(const char *key, const struct string_list *known)
{
	size_t best = likeness_limit(key) + 1;
	const char *found = NULL;

	for (size_t i = 0; i < known->len; i++) {
		size_t distance = text_distance(key, known->items[i], likeness_limit(key));

		if (distance < best) {
			best = distance;
			found = known->items[i];
		}
	}
	return found;
}

static void append_known(struct buf *to, const struct string_list *known)
{
	buf_append_text(to, " (known here: ");
	for (size_t i = 0; i < known->len; i++)
		buf_printf(to, "%s%s", i ? ", " : "", known->items[i]);
	buf_append_char(to, ')');
}

void report_unknown_key(const struct load *load, const char *path, const struct ynode *key,
    const struct string_list *known, const char *elsewhere)
{
	const char *meant = nearest(key->text, known);
	struct buf text = { 0 };

	if (*path)
		buf_printf(&text, "%s: ", path);
	buf_append_text(&text, "unknown key ");
	ynode_append_quoted(&text, key->text);
	if (!meant)
		meant = elsewhere;
	if (meant)
		buf_printf(&text, " (did you mean \"%s\"?)", meant);
	else
		append_known(&text, known);
	buf_append_char(&text, '\0');
	diag_error(load->diag, key->at, "%s", buf_data(&text));
	buf_done(&text);
}

/* What is left of an option's path below a mapping of the section ("" is the section itself). */
static const char *below(const struct option *o, enum option_scope scope, const char *group)
{
	size_t len = strlen(group);

	if (o->scope != scope || strncmp(o->path, group, len) != 0)
		return NULL;
	if (!len)
		return o->path;
	return o->path[len] == '.' ? o->path + len + 1 : NULL;
}

static void list_known(enum option_scope scope, const char *group, struct string_list *known)
{
	for (size_t i = 0; i < n_options; i++) {
		const char *rest = below(&options[i], scope, group);
		char *name = rest ? xstrndup(rest, strcspn(rest, ".")) : NULL;

		/* The rows of one mapping stand together. */
		if (name && (!known->len || strcmp(known->items[known->len - 1], name) != 0))
			string_list_add(known, name);
		else
			free(name);
	}
}

/* "timeout" may be meant for "handler.timeout". */
static const char *find_elsewhere(enum option_scope scope, const char *key)
{
	for (size_t i = 0; i < n_options; i++) {
		const char *dot = strrchr(options[i].path, '.');

		if (options[i].scope == scope && dot && strcmp(dot + 1, key) == 0)
			return options[i].path;
	}
	return NULL;
}

static void report_unknown(const struct load *load, const struct section *s, const char *group,
    const struct ynode *key)
{
	char *path = *group ? xasprintf("%s.%s", s->path, group) : xstrdup(s->path);
	struct string_list known = { 0 };

	list_known(s->scope, group, &known);
	report_unknown_key(load, path, key, &known, find_elsewhere(s->scope, key->text));
	string_list_done(&known);
	free(path);
}

static void check_group(const struct load *load, const struct section *s, const char *group,
    const struct ynode *map);

static void check_pair(const struct load *load, const struct section *s, const char *group,
    const struct ypair *pair)
{
	char *path = *group ? xasprintf("%s.%s", group, pair->key->text) : xstrdup(pair->key->text);

	/* A dot in a key is not a step of a path. */
	if (is_ignored_key(pair->key->text))
		;
	else if (strchr(pair->key->text, '.'))
		report_unknown(load, s, group, pair->key);
	else if (option_is_group(s->scope, slice_of(path)))
		check_group(load, s, path, pair->value);
	else if (!option_find(s->scope, slice_of(path)))
		report_unknown(load, s, group, pair->key);
	free(path);
}

static void check_group(const struct load *load, const struct section *s, const char *group,
    const struct ynode *map)
{
	char *path = *group ? xasprintf("%s.%s", s->path, group) : xstrdup(s->path);
	struct value v = { .path = path };

	v.load = &(struct load){ .diag = load->diag };
	if (map->kind != YNODE_MAP)
		value_expected(&v, map, "a mapping");
	for (size_t i = 0; map->kind == YNODE_MAP && i < map->len; i++)
		check_pair(load, s, group, &map->pairs[i]);
	free(path);
}

void section_check_keys(const struct load *load, const struct section *s)
{
	if (s->own)
		check_group(load, s, "", s->own);
}

/* ---- values */

static const struct ypair *find_pair(const struct ynode *map, const char *path)
{
	const struct ypair *pair = NULL;

	while (map && path) {
		const char *dot = strchr(path, '.');
		size_t len = dot ? (size_t)(dot - path) : strlen(path);

		pair = ynode_pair(map, (struct slice){ path, len });
		map = pair ? pair->value : NULL;
		path = dot ? dot + 1 : NULL;
	}
	return path ? NULL : pair;
}

const struct ypair *section_own_pair(const struct section *s, const char *path)
{
	return find_pair(s->own, path);
}

const struct ypair *section_pair(const struct section *s, const char *path)
{
	const struct ypair *own = find_pair(s->own, path);

	return own ? own : find_pair(s->defaults, path);
}

struct diag_place section_place(const struct section *s, const char *path)
{
	const struct ypair *pair = section_pair(s, path);

	return pair ? pair->value->at : s->at;
}

static void read_from(struct load *load, const struct section *s, const struct option *o,
    const struct ynode *node)
{
	const struct ypair *own = find_pair(s->own, o->path);
	char *path = xasprintf("%s.%s", s->path, o->path);
	struct value v = { .load = load, .option = o, .path = path, .node = node };

	v.dest = option_value(o, s->dest);
	v.quiet = !own || own->value != node;
	o->type->read(&v);
	free(path);
}

static void read_fallback(struct load *load, const struct section *s, const struct option *o)
{
	struct ynode node = { .kind = YNODE_SCALAR, .plain = true };

	node.text = xstrdup(o->fallback);
	read_from(load, s, o, &node);
	free(node.text);
}

/* stream and streams are two ways to set one list. */
static bool own_sets_value(const struct section *s, const struct option *o)
{
	for (size_t i = 0; i < n_options; i++) {
		if (options[i].scope == o->scope && options[i].offset == o->offset &&
		    find_pair(s->own, options[i].path))
			return true;
	}
	return false;
}

static void refuse_unsupported(const struct load *load, const struct section *s,
    const struct option *o, const struct ypair *own)
{
	if (own && !option_is_fallback(o, own->value))
		diag_error(load->diag, own->key->at, "%s.%s: not supported by this build", s->path,
		    o->path);
}

static void read_option(struct load *load, const struct section *s, const struct option *o)
{
	const struct ypair *own = find_pair(s->own, o->path);
	const struct ypair *shared = find_pair(s->defaults, o->path);

	if (!o->type->merges && own_sets_value(s, o))
		shared = NULL;
	if (o->unsupported) {
		refuse_unsupported(load, s, o, own);
		own = NULL;
	}
	if (o->type->init)
		o->type->init(option_value(o, s->dest));
	if (o->fallback && !o->type->empty_fallback && !own && !shared)
		read_fallback(load, s, o);
	if (shared)
		read_from(load, s, o, shared->value);
	if (own)
		read_from(load, s, o, own->value);
}

void section_read(struct load *load, const struct section *s)
{
	for (size_t i = 0; i < n_options; i++) {
		if (options[i].scope == s->scope)
			read_option(load, s, &options[i]);
	}
}

void section_done(enum option_scope scope, void *dest)
{
	for (size_t i = 0; i < n_options; i++) {
		if (options[i].scope == scope && options[i].type->done)
			options[i].type->done(option_value(&options[i], dest));
	}
}
