/* SPDX-License-Identifier: MIT */
/* Nodes refer to each other and own only their text and their arrays: aliases make them shared. */
#include "config/ynode.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

struct ynode *ynode_new(enum ynode_kind kind, struct diag_place at)
{
	struct ynode *n = xmalloc(sizeof(*n));

	*n = (struct ynode){ .kind = kind, .at = at, .weight = 1 };
	return n;
}

void ynode_free(struct ynode *node)
{
	if (!node)
		return;
	if (node->text)
		explicit_bzero(node->text, strlen(node->text));
	free(node->text);
	free(node->items);
	free(node->pairs);
	free(node);
}

static void count_child(struct ynode *parent, const struct ynode *child)
{
	parent->weight += child->weight;
	if (child->height >= parent->height)
		parent->height = child->height + 1;
}

/* Doubles at each power of two, so the capacity needs no place of its own. */
static void *grown(void *array, size_t len, size_t item_size)
{
	if (len & (len - 1))
		return array;
	return xreallocarray(array, len ? 2 * len : 1, item_size);
}

void ynode_add_item(struct ynode *list, struct ynode *item)
{
	list->items = grown(list->items, list->len, sizeof(*list->items));
	list->items[list->len++] = item;
	count_child(list, item);
}

void ynode_add_pair(struct ynode *map, struct ypair pair)
{
	map->pairs = grown(map->pairs, map->len, sizeof(*map->pairs));
	map->pairs[map->len++] = pair;
	count_child(map, pair.value);
	map->weight++;
}

const struct ypair *ynode_pair(const struct ynode *map, struct slice key)
{
	if (map->kind != YNODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->len; i++) {
		if (slice_is(key, map->pairs[i].key->text))
			return &map->pairs[i];
	}
	return NULL;
}

bool ynode_is_nothing(const struct ynode *node)
{
	return node->kind == YNODE_SCALAR && node->plain && !*node->text;
}

enum { SHOWN_BYTES = 80 };

void ynode_append_shown(struct buf *to, const char *text)
{
	struct slice s = slice_of(text);

	if (s.len <= SHOWN_BYTES) {
		text_append_printable(to, s);
		return;
	}
	s.len = SHOWN_BYTES;
	while ((text[s.len] & 0xc0) == 0x80)
		s.len--;
	text_append_printable(to, s);
	buf_append_text(to, "...");
}

void ynode_append_quoted(struct buf *to, const char *text)
{
	buf_append_char(to, '"');
	ynode_append_shown(to, text);
	buf_append_char(to, '"');
}
