/* SPDX-License-Identifier: MIT */
/* What all types of value share: one form of message, one budget, one meaning of a path. */
#include "config/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"

void value_error(const struct value *v, struct diag_place at, const char *format, ...)
{
	va_list args;
	char *text;

	if (v->quiet)
		return;
	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	diag_error(v->load->diag, at, "%s: %s", v->path, text);
	free(text);
}

static void append_found(struct buf *to, const struct ynode *node)
{
	if (node->kind == YNODE_LIST)
		buf_append_text(to, node->len ? "a list" : "an empty list");
	else if (node->kind == YNODE_MAP)
		buf_append_text(to, "a mapping");
	else if (ynode_is_nothing(node))
		buf_append_text(to, "nothing");
	else
		ynode_append_quoted(to, node->text);
}

void value_expected(const struct value *v, const struct ynode *node, const char *expected)
{
	struct buf found = { 0 };
	struct slice text;

	append_found(&found, node);
	text = buf_slice(&found);
	value_error(v, node->at, "expected %s, got %.*s", expected, (int)text.len, text.data);
	buf_done(&found);
}

void value_missing_here(const struct value *v, const struct ynode *node, const char *expected)
{
	struct buf found = { 0 };

	if (v->load->use == CONFIG_TO_RUN) {
		value_expected(v, node, expected);
		return;
	}
	append_found(&found, node);
	if (!v->quiet)
		diag_warning(v->load->diag, node->at, "%s: expected %s, got %.*s", v->path,
		    expected, (int)buf_len(&found), buf_data(&found));
	buf_done(&found);
}

const char *value_text(const struct value *v, const struct ynode *node, const char *expected)
{
	if (node->kind == YNODE_SCALAR && *node->text)
		return node->text;
	value_expected(v, node, expected);
	return NULL;
}

const char *value_plain(const struct value *v, const struct ynode *node, const char *expected)
{
	if (node->kind != YNODE_SCALAR || node->plain || !*node->text)
		return value_text(v, node, expected);
	value_error(v, node->at, "expected %s, got a string in quotes", expected);
	return NULL;
}

bool value_charge(const struct value *v)
{
	size_t n = v->load->n_items++;

	/* Once, and even where the value stands in `defaults`: each alone may be small enough. */
	if (n == LOAD_MAX_ITEMS)
		diag_error(v->load->diag, v->node->at,
		    "%s: more than %d items in all lists and mappings together", v->path,
		    LOAD_MAX_ITEMS);
	return n < LOAD_MAX_ITEMS;
}

struct value value_item(const struct value *list, size_t i)
{
	struct value item = *list;

	item.node = list->node->items[i];
	item.path = xasprintf("%s[%zu]", list->path, i);
	return item;
}

struct value value_pair(const struct value *map, size_t i)
{
	struct value pair = *map;
	struct buf path = { 0 };

	pair.node = map->node->pairs[i].value;
	buf_append_text(&path, map->path);
	buf_append_char(&path, '.');
	ynode_append_shown(&path, map->node->pairs[i].key->text);
	pair.path = buf_take_text(&path);
	return pair;
}

void value_item_done(struct value *item)
{
	union {
		const char *borrowed;
		char *owned;
	} path = { .borrowed = item->path };

	free(path.owned);
	item->path = NULL;
}

char *value_absolute(const struct value *v, const char *path)
{
	if (*path == '/')
		return xstrdup(path);
	if (strncmp(path, "./", 2) == 0)
		path += 2;
	return xasprintf("%s/%s", v->load->directory, path);
}

bool value_is_word(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                              "0123456789_.-";

	return *text && text[strspn(text, allowed)] == '\0' && strcmp(text, ".") != 0 &&
	       strcmp(text, "..") != 0;
}

void schema_scalar(struct json *j)
{
	json_key(j, "type");
	json_array_begin(j);
	json_text(j, "string");
	json_text(j, "number");
	json_text(j, "boolean");
	json_array_end(j);
}

void string_list_add(struct string_list *list, char *item)
{
	/* One more than the items: a list ends with NULL, so that it can serve as an argv. */
	list->items = xreallocarray(list->items, list->len + 2, sizeof(*list->items));
	list->items[list->len++] = item;
	list->items[list->len] = NULL;
}

static void free_strings(char **strings, size_t len)
{
	for (size_t i = 0; i < len; i++)
		free(strings[i]);
	free(strings);
}

void string_list_done(void *list)
{
	struct string_list *l = list;

	free_strings(l->items, l->len);
	*l = (struct string_list){ 0 };
}

void string_map_done(void *map)
{
	struct string_map *m = map;

	free_strings(m->names, m->len);
	free_strings(m->values, m->len);
	*m = (struct string_map){ 0 };
}
