/* SPDX-License-Identifier: MIT */
/*
 * The table of everything that can be set. A row drives reading, ranges, defaults, the printed
 * configuration, the JSON Schema and the reference file, so that none of them can disagree.
 *
 * A new key is a row in schema.c and a member in core/settings.h.
 */
#ifndef SLUICED_CONFIG_OPTION_H
#define SLUICED_CONFIG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "config/value.h"

/* Whose struct the value is in. `defaults` takes the keys of a consumer. */
enum option_scope { SCOPE_REDIS, SCOPE_DAEMON, SCOPE_CONSUMER };

/* What a value looks like in the file and in memory: a row of the table of types, value*.c. */
struct option_type {
	/* Reads v->node to v->dest, or reports what is wrong with it. */
	void (*read)(struct value *v);
	/* Appends the value as one line of YAML; false, and nothing, where it is not set. */
	bool (*print)(const struct option *o, const void *value, struct buf *to);
	/* Writes the members of the type's JSON Schema. */
	void (*schema)(const struct option *o, struct json *j);
	/* Writes the default to the schema; NULL: as a string. */
	void (*schema_default)(const struct option *o, struct json *j);
	/* Frees what the value holds and zeroes it; NULL where it holds nothing. */
	void (*done)(void *value);
	/* Gives the value that the file's is laid over; NULL where there is none. */
	void (*init)(void *value);
	/* A mapping of the user's own keys: a consumer's is laid over that of `defaults`. */
	bool merges;
	/* Its one default is an empty list or mapping, which is what a zeroed value is. */
	bool empty_fallback;
};

/* What a reload has to do when the value is another one. In the order of how much that is. */
enum option_change {
	CHANGES_LIMITS,   /* used from now on, by what is there */
	CHANGES_HANDLER,  /* handler processes are replaced one by one */
	CHANGES_IDENTITY, /* another consumer, in fact: the old one is drained first */
	CHANGES_DAEMON,   /* nothing a reload can do */
};

/* Some keys of a handler mean something in one mode only. */
enum option_mode { ANY_MODE, EXEC_MODE_ONLY, WORKER_MODE_ONLY };

struct option {
	enum option_scope scope;
	const char *path; /* below the section: "retry.max_delay" */
	size_t offset;    /* in the section's struct */
	const struct option_type *type;
	const char *fallback;      /* the default as the file would say it; NULL: none */
	const char *fallback_note; /* the default in words, where it is worked out */
	uint64_t min, max;         /* of numbers, durations (ms) and sizes (bytes) */
	const char *const *words;  /* of an enum, in the order of its values; ends with NULL */
	const char *doc;
	enum option_mode mode;
	enum option_change change;
	bool required;    /* of each consumer, or of `defaults` */
	bool unsupported; /* nothing but the default is accepted so far */
};

extern const struct option options[];
extern const size_t n_options;

/* "redis", "daemon", or "consumers.NAME" for what is in a consumer */
const char *option_scope_name(enum option_scope scope);

/* The row with this path in a section, or NULL. */
const struct option *option_find(enum option_scope scope, struct slice path);

/* Is the path that of a mapping that holds other options, such as "retry"? */
bool option_is_group(enum option_scope scope, struct slice path);

/* Has the option a meaning in this section? Not, when it is of the other mode of a handler, or of
 * TLS to Sentinels without it. */
bool option_applies(const struct option *o, const void *section);

/* Does a value of the file say what the option's default is? */
bool option_is_fallback(const struct option *o, const struct ynode *value);

/* The value in the section's struct. */
static inline void *option_value(const struct option *o, void *section)
{
	return (char *)section + o->offset;
}

static inline const void *option_const_value(const struct option *o, const void *section)
{
	return (const char *)section + o->offset;
}

static inline bool option_in_range(const struct option *o, uint64_t value)
{
	return value >= o->min && value <= o->max;
}

#endif
