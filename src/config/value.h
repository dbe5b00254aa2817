/* SPDX-License-Identifier: MIT */
/* One value on its way from the file to the settings: reading it, and saying what is wrong. */
#ifndef SLUICED_CONFIG_VALUE_H
#define SLUICED_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/json.h"
#include "config/config.h"
#include "config/ynode.h"
#include "core/settings.h"

struct option;

enum {
	/* Strings in all lists and mappings of a file, counting what `defaults` repeats. */
	LOAD_MAX_ITEMS = 100000,
	STREAM_MAX_BYTES = 1024,
};

/* A load in progress. */
struct load {
	struct diag *diag;
	char *directory;      /* absolute: where relative paths start */
	const char *instance; /* for %i */
	const char *consumer; /* for %n */
	enum config_use use;
	size_t n_items;
};

struct value {
	struct load *load;
	const struct option *option;
	const char *path; /* "consumers.mailer.retry.max_delay" */
	const struct ynode *node;
	bool quiet; /* it stands in `defaults`, where its errors were reported already */
	void *dest;
};

void value_error(const struct value *v, struct diag_place at, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* "expected X, got Y", Y being the value at `node`. */
void value_expected(const struct value *v, const struct ynode *node, const char *expected);

/* The same for what only the machine that runs the handlers must have: a warning elsewhere. */
void value_missing_here(const struct value *v, const struct ynode *node, const char *expected);

/* The text of a scalar that is not empty; NULL after saying that `expected` was. */
const char *value_text(const struct value *v, const struct ynode *node, const char *expected);

/* The text of a scalar without quotes, for what is no string; NULL as above. */
const char *value_plain(const struct value *v, const struct ynode *node, const char *expected);

/* Counts a string of a list or mapping; false after saying that there are too many. */
bool value_charge(const struct value *v);

/* The i-th item of a list, or value of a mapping, as a value of its own; value_item_done() it. */
struct value value_item(const struct value *list, size_t i) MUST_CHECK;
struct value value_pair(const struct value *map, size_t i) MUST_CHECK;
void value_item_done(struct value *item);

/* The path itself when it is absolute, else as seen from the directory of the file. */
char *value_absolute(const struct value *v, const char *path) MUST_CHECK;

/* A name that can be part of a path and of a name in Redis. */
bool value_is_word(const char *text);

/* "type": …, for a scalar that is taken literally: editors read 007 as a number. */
void schema_scalar(struct json *j);

void string_list_add(struct string_list *list, char *item);
void string_list_done(void *list);
void string_map_done(void *map);

#endif
