/* SPDX-License-Identifier: MIT */
/* Reads a YAML file into a tree of nodes. */
#ifndef SLUICED_CONFIG_YAMLTREE_H
#define SLUICED_CONFIG_YAMLTREE_H

#include "base/compiler.h"
#include "base/diag.h"
#include "base/slice.h"
#include "config/ynode.h"

enum {
	YAMLTREE_MAX_BYTES = 1024 * 1024,
	YAMLTREE_MAX_DEPTH = 16,
	YAMLTREE_MAX_NODES = 100000, /* counting what aliases repeat */
};

struct yamltree {
	struct ynode *root;
	struct ynode *owned;
};

/*
 * Reads the one document of a file. 0 with a whole tree; -EINVAL when diag was told of an error,
 * and then *ret_tree still holds what could be read (root NULL when nothing), so that the rest of
 * the file can be checked too. Either way it is freed with yamltree_done().
 */
int yamltree_parse(struct slice text, struct diag *diag, struct yamltree *ret_tree) MUST_CHECK;

void yamltree_done(struct yamltree *tree);

#endif
