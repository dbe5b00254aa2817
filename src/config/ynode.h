/* SPDX-License-Identifier: MIT */
/* A node of a YAML document; each knows where it stands in the file. */
#ifndef SLUICED_CONFIG_YNODE_H
#define SLUICED_CONFIG_YNODE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/diag.h"
#include "base/slice.h"

enum ynode_kind { YNODE_SCALAR, YNODE_LIST, YNODE_MAP };

/* Aliases make several parents share a node; the tree owns it. */
struct ynode {
	enum ynode_kind kind;
	struct diag_place at;
	bool plain;           /* a scalar without quotes; also `!!int "5"`, but not `!!str 5` */
	char *text;           /* a scalar's; holds no NUL byte */
	struct ynode **items; /* a list's */
	struct ypair *pairs;  /* a mapping's: no two keys are the same */
	size_t len;           /* of items or pairs */

	size_t weight;   /* nodes in here, counting what aliases repeat */
	unsigned height; /* 0 for a scalar */
	struct ynode *next_owned;
};

struct ypair {
	const struct ynode *key; /* a scalar */
	struct ynode *value;
};

struct ynode *ynode_new(enum ynode_kind kind, struct diag_place at) MUST_CHECK;
void ynode_free(struct ynode *node); /* not what it refers to */

void ynode_add_item(struct ynode *list, struct ynode *item);
void ynode_add_pair(struct ynode *map, struct ypair pair);

/* The pair with a key; NULL without one, or when `map` is no mapping. */
const struct ypair *ynode_pair(const struct ynode *map, struct slice key);

/* An empty plain scalar: "key:" with nothing after it. */
bool ynode_is_nothing(const struct ynode *node);

/* Appends a text of the file as messages show it: on one line, a long one shortened. */
void ynode_append_shown(struct buf *to, const char *text);

/* The same in quotes. */
void ynode_append_quoted(struct buf *to, const char *text);

#endif
