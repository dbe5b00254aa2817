/* SPDX-License-Identifier: MIT */
/* What the daemon's Redis user has to be allowed: docs/connecting.md prints the same as a rule. */
#ifndef SLUICED_CTL_RIGHTS_H
#define SLUICED_CTL_RIGHTS_H

#include <stddef.h>

#include "base/buf.h"

/* When it is needed. */
enum right_need { NEED_ALWAYS, NEED_TRIM, NEED_ONCE, NEED_CLUSTER, NEED_SENTINEL };

/* The key that the command is about. */
enum right_key { KEY_NONE, KEY_STREAM, KEY_DEAD_LETTERS, KEY_TRIM, KEY_GUARD, KEY_COUNT };

enum { RIGHT_WORDS_MAX = 10 };

struct right {
	const char *name; /* as ACL SETUSER takes it, behind a + */
	enum right_need need;
	enum right_key key;
	/* A command that the server refuses, or that changes nothing, also when the user has the
	 * right: its arguments are wrong in what is looked at after the rights. RIGHT_KEY and
	 * RIGHT_GROUP stand for the names. */
	const char *words[RIGHT_WORDS_MAX];
	const char *without; /* what changes without it; NULL: the daemon does not work */
};

#define RIGHT_KEY   "<key>"
#define RIGHT_GROUP "<group>"

extern const struct right rights[];
extern const size_t n_rights;

/* Appends " ~KEY", as a pattern that fits the key alone. */
void rule_append_key(struct buf *rule, const char *key);

#endif
