/* SPDX-License-Identifier: MIT */
/*
 * The only user of libyaml. Its event interface leaves to us what makes a file safe and strict:
 * libyaml accepts duplicate keys, any tag, any number of documents and an alias to a node that
 * contains it, and takes quadratic time for deep nesting. Recursion is bounded by the depth.
 *
 * Invariant: the nodes that a walk of the tree meets are at most YAMLTREE_MAX_NODES, however often
 * aliases repeat them.
 */
#include "config/yamltree.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/text.h"
#include "config/filetext.h"

struct anchor {
	const char *name;
	struct ynode *node; /* NULL while it is being read */
	char text[];        /* the name */
};

struct reader {
	yaml_parser_t parser;
	struct slice text;
	struct diag *diag;
	struct yamltree tree;
	struct buf path;
	void *anchors; /* tsearch tree of struct anchor */
	size_t n_nodes;
	bool failed; /* nothing more can be read */
};

static struct ynode *read_node(struct reader *r, const yaml_event_t *event, unsigned depth);

static struct diag_place place_of(yaml_mark_t mark)
{
	return (struct diag_place){ (unsigned)mark.line + 1, (unsigned)mark.column + 1 };
}

static void report(struct reader *r, struct diag_place at, const char *text)
{
	struct slice path = buf_slice(&r->path);

	if (path.len)
		diag_error(r->diag, at, "%.*s: %s", (int)path.len, path.data, text);
	else
		diag_error(r->diag, at, "%s", text);
}

static struct ynode *fail(struct reader *r, struct diag_place at, const char *text)
{
	report(r, at, text);
	r->failed = true;
	return NULL;
}

static void report_parser_error(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem ? p->problem : "out of memory";

	r->failed = true;
	buf_clear(&r->path);
	if (p->error == YAML_READER_ERROR)
		diag_error(r->diag, filetext_place(r->text, p->problem_offset), "not YAML: %s",
		    problem);
	else if (filetext_tab_indents(r->text, p->problem_mark.line))
		diag_error(r->diag, place_of(p->problem_mark),
		    "not YAML: a tab cannot indent, use spaces");
	else if (p->context && p->context_mark.line != p->problem_mark.line)
		diag_error(r->diag, place_of(p->problem_mark), "not YAML: %s (%s from line %zu on)",
		    problem, p->context, p->context_mark.line + 1);
	else
		diag_error(r->diag, place_of(p->problem_mark), "not YAML: %s", problem);
}

static int next_event(struct reader *r, yaml_event_t *ret_event)
{
	if (yaml_parser_parse(&r->parser, ret_event))
		return 0;
	report_parser_error(r);
	return -EINVAL;
}

static bool charge(struct reader *r, struct diag_place at, size_t weight)
{
	r->n_nodes += weight;
	if (r->n_nodes <= YAMLTREE_MAX_NODES)
		return true;
	fail(r, at, "more than 100000 values, counting those that aliases repeat");
	return false;
}

static struct ynode *new_node(struct reader *r, enum ynode_kind kind, struct diag_place at)
{
	struct ynode *n;

	if (!charge(r, at, 1))
		return NULL;
	n = ynode_new(kind, at);
	n->next_owned = r->tree.owned;
	r->tree.owned = n;
	return n;
}

#define CORE_TAG "tag:yaml.org,2002:"

struct tag {
	const char *name;
	enum ynode_kind kind;
	bool plain;
};

static const struct tag core_tags[] = {
	{ CORE_TAG "map", YNODE_MAP, false },
	{ CORE_TAG "seq", YNODE_LIST, false },
	{ CORE_TAG "str", YNODE_SCALAR, false },
	{ CORE_TAG "int", YNODE_SCALAR, true },
	{ CORE_TAG "bool", YNODE_SCALAR, true },
	{ CORE_TAG "float", YNODE_SCALAR, true },
	{ CORE_TAG "null", YNODE_SCALAR, true },
};

static const struct tag *find_tag(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(core_tags); i++) {
		if (strcmp(core_tags[i].name, name) == 0)
			return &core_tags[i];
	}
	return NULL;
}

static void apply_tag(struct reader *r, struct ynode *n, const yaml_char_t *name)
{
	const struct tag *tag;
	struct buf text = { 0 };

	if (!name)
		return;
	tag = find_tag((const char *)name);
	if (tag && tag->kind == n->kind) {
		n->plain = tag->plain;
		return;
	}
	buf_append_text(&text, tag ? "this is not what the tag says: " : "unknown tag ");
	ynode_append_quoted(&text, (const char *)name);
	buf_append_char(&text, '\0');
	report(r, n->at, buf_data(&text));
	buf_done(&text);
}

static int compare_anchors(const void *a, const void *b)
{
	return strcmp(((const struct anchor *)a)->name, ((const struct anchor *)b)->name);
}

static struct anchor *find_anchor(struct reader *r, const yaml_char_t *name)
{
	struct anchor wanted = { .name = (const char *)name };
	struct anchor **found = tfind(&wanted, &r->anchors, compare_anchors);

	return found ? *found : NULL;
}

/* An anchor may be defined again: aliases mean the latest. */
static struct anchor *begin_anchor(struct reader *r, const yaml_char_t *name)
{
	struct anchor *a;

	if (!name)
		return NULL;
	a = find_anchor(r, name);
	if (!a) {
		a = xmalloc(sizeof(*a) + strlen((const char *)name) + 1);
		a->name = memcpy(a->text, name, strlen((const char *)name) + 1);
		if (!tsearch(a, &r->anchors, compare_anchors))
			abort();
	}
	a->node = NULL;
	return a;
}

static struct ynode *read_alias(struct reader *r, const yaml_event_t *event, unsigned depth)
{
	const struct anchor *a = find_anchor(r, event->data.alias.anchor);
	struct diag_place at = place_of(event->start_mark);

	if (!a)
		return fail(r, at, "alias to an anchor that is not defined before it");
	if (!a->node)
		return fail(r, at, "alias to a value that contains it");
	if (depth + a->node->height > YAMLTREE_MAX_DEPTH)
		return fail(r, at, "nested more than 16 levels deep");
	return charge(r, at, a->node->weight) ? a->node : NULL;
}

static struct ynode *read_scalar(struct reader *r, const yaml_event_t *event)
{
	struct ynode *n = new_node(r, YNODE_SCALAR, place_of(event->start_mark));
	const char *value = (const char *)event->data.scalar.value;

	if (!n)
		return NULL;
	n->text = xstrndup(value, event->data.scalar.length);
	n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (memchr(value, '\0', event->data.scalar.length))
		report(r, n->at, "expected text without NUL bytes, got one with");
	apply_tag(r, n, event->data.scalar.tag);
	return n;
}

static struct ynode *read_next(struct reader *r, unsigned depth, yaml_event_type_t end)
{
	struct ynode *n = NULL;
	yaml_event_t event;

	if (next_event(r, &event) != 0)
		return NULL;
	if (event.type != end)
		n = read_node(r, &event, depth);
	yaml_event_delete(&event);
	return n;
}

static void read_items(struct reader *r, struct ynode *list, unsigned depth)
{
	size_t path_len = buf_len(&r->path);
	struct ynode *item;

	do {
		buf_printf(&r->path, "[%zu]", list->len);
		item = read_next(r, depth, YAML_SEQUENCE_END_EVENT);
		if (item)
			ynode_add_item(list, item);
		r->path.end = r->path.start + path_len;
	} while (item);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(((const struct ynode *)a)->text, ((const struct ynode *)b)->text);
}

/* Returns the node that was there with the same text, or NULL when the key is new. */
static const struct ynode *remember_key(void **keys, const struct ynode *key)
{
	const struct ynode **found = tsearch(key, keys, compare_keys);

	if (!found)
		abort();
	return *found == key ? NULL : *found;
}

static void keep_node(void *node)
{
	(void)node; /* the tree owns it */
}

static void report_duplicate(struct reader *r, const struct ynode *key, const struct ynode *first)
{
	struct buf text = { 0 };

	buf_append_text(&text, "duplicate key ");
	ynode_append_quoted(&text, key->text);
	buf_printf(&text, " (first on line %u)", first->at.line);
	buf_append_char(&text, '\0');
	report(r, key->at, buf_data(&text));
	buf_done(&text);
}

static void merge_one(struct reader *r, struct ynode *map, void **keys, const struct ynode *source)
{
	if (source->kind != YNODE_MAP) {
		report(r, source->at, "expected a mapping, or a list of mappings, after <<");
		return;
	}
	for (size_t i = 0; i < source->len && !r->failed; i++) {
		if (remember_key(keys, source->pairs[i].key))
			continue;
		if (charge(r, map->at, source->pairs[i].value->weight + 1))
			ynode_add_pair(map, source->pairs[i]);
	}
}

/* The mapping's own keys win, then the sources in their order. */
static void merge(struct reader *r, struct ynode *map, void **keys, const struct ynode *value)
{
	if (value->kind != YNODE_LIST) {
		merge_one(r, map, keys, value);
		return;
	}
	for (size_t i = 0; i < value->len && !r->failed; i++)
		merge_one(r, map, keys, value->items[i]);
}

static struct ynode *read_value(struct reader *r, const struct ynode *key, unsigned depth)
{
	size_t path_len = buf_len(&r->path);
	struct ynode *value;

	if (path_len)
		buf_append_char(&r->path, '.');
	if (key->kind == YNODE_SCALAR)
		ynode_append_shown(&r->path, key->text);
	value = read_next(r, depth, YAML_NO_EVENT);
	r->path.end = r->path.start + path_len;
	return value;
}

static bool is_merge_key(const struct ynode *key)
{
	return key->plain && strcmp(key->text, "<<") == 0;
}

/* One pair; *merged is set when it was `<<`. false at the end. */
static bool read_pair(struct reader *r, struct ynode *map, void **keys, unsigned depth,
    struct ynode **merged)
{
	struct ynode *key = read_next(r, depth, YAML_MAPPING_END_EVENT);
	const struct ynode *first = NULL;
	struct ynode *value = key ? read_value(r, key, depth) : NULL;

	if (!value)
		return false;
	if (key->kind != YNODE_SCALAR) {
		report(r, key->at, "expected a key, got a list or a mapping");
		return true;
	}
	first = remember_key(keys, key);
	if (first)
		report_duplicate(r, key, first);
	else if (is_merge_key(key))
		*merged = value;
	else
		ynode_add_pair(map, (struct ypair){ key, value });
	return true;
}

static void read_pairs(struct reader *r, struct ynode *map, unsigned depth)
{
	struct ynode *merged = NULL;
	void *keys = NULL;

	while (read_pair(r, map, &keys, depth, &merged))
		;
	if (merged && !r->failed)
		merge(r, map, &keys, merged);
	tdestroy(keys, keep_node);
}

static struct ynode *read_collection(struct reader *r, const yaml_event_t *event, unsigned depth)
{
	bool is_map = event->type == YAML_MAPPING_START_EVENT;
	struct diag_place at = place_of(event->start_mark);
	struct ynode *n;

	if (depth >= YAMLTREE_MAX_DEPTH)
		return fail(r, at, "nested more than 16 levels deep");
	n = new_node(r, is_map ? YNODE_MAP : YNODE_LIST, at);
	if (!n)
		return NULL;
	n->height = 1;
	apply_tag(r, n, is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag);
	if (is_map)
		read_pairs(r, n, depth + 1);
	else
		read_items(r, n, depth + 1);
	return r->failed ? NULL : n;
}

static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return event->data.scalar.anchor;
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return event->data.sequence_start.anchor;
	return event->data.mapping_start.anchor;
}

/* `depth` collections are open around the node. NULL after a failure. */
static struct ynode *read_node(struct reader *r, const yaml_event_t *event, unsigned depth)
{
	struct anchor *anchor;
	struct ynode *n;

	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(r, event, depth);
	anchor = begin_anchor(r, anchor_of(event));
	if (event->type == YAML_SCALAR_EVENT)
		n = read_scalar(r, event);
	else
		n = read_collection(r, event, depth);
	if (anchor)
		anchor->node = n;
	return n;
}

static void read_root(struct reader *r)
{
	struct ynode *root = read_next(r, 0, YAML_NO_EVENT);
	yaml_event_t event;

	if (!root)
		return;
	if (ynode_is_nothing(root)) {
		fail(r, root->at, "the file holds no configuration");
		return;
	}
	r->tree.root = root;
	if (next_event(r, &event) != 0) /* the end of the document */
		return;
	yaml_event_delete(&event);
	if (next_event(r, &event) != 0)
		return;
	if (event.type != YAML_STREAM_END_EVENT)
		fail(r, place_of(event.start_mark), "a second document; a file has one");
	yaml_event_delete(&event);
}

static void read_file(struct reader *r)
{
	yaml_event_t event;
	bool empty;

	if (next_event(r, &event) != 0) /* the start of the stream */
		return;
	yaml_event_delete(&event);
	if (next_event(r, &event) != 0)
		return;
	empty = event.type == YAML_STREAM_END_EVENT;
	yaml_event_delete(&event);
	if (empty)
		fail(r, (struct diag_place){ 1, 1 }, "the file holds no configuration");
	else
		read_root(r);
}

static struct slice without_bom(struct slice text)
{
	if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
		return (struct slice){ text.data + 3, text.len - 3 };
	return text;
}

int yamltree_parse(struct slice text, struct diag *diag, struct yamltree *ret_tree)
{
	struct reader r = { .text = without_bom(text), .diag = diag };
	size_t n_errors = diag->n_errors;

	if (text.len > YAMLTREE_MAX_BYTES) {
		diag_error(diag, (struct diag_place){ 0 }, "larger than 1 MiB");
		*ret_tree = r.tree;
		return -EINVAL;
	}
	if (!yaml_parser_initialize(&r.parser))
		abort();
	/* Or a file that begins with FE FF would be read as UTF-16. */
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser,
	    (const unsigned char *)(r.text.len ? r.text.data : ""), r.text.len);
	read_file(&r);
	yaml_parser_delete(&r.parser);
	tdestroy(r.anchors, free);
	buf_done(&r.path);
	*ret_tree = r.tree;
	return diag->n_errors == n_errors ? 0 : -EINVAL;
}

void yamltree_done(struct yamltree *tree)
{
	while (tree->owned) {
		struct ynode *n = tree->owned;

		tree->owned = n->next_owned;
		ynode_free(n);
	}
	tree->root = NULL;
}
