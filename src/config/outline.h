/* SPDX-License-Identifier: MIT */
/* Writes options one after the other as nested YAML: opens the mappings that a path runs through.
 */
#ifndef SLUICED_CONFIG_OUTLINE_H
#define SLUICED_CONFIG_OUTLINE_H

#include "base/buf.h"
#include "config/option.h"

struct outline {
	struct buf *to;
	const char *margin; /* begins every line; NULL: nothing */
	unsigned depth;     /* of the section's keys */
	const char *last;   /* path written last; kept, not copied */
};

/* Opens the mappings around an option. */
void outline_open(struct outline *outline, const char *path);

/* Opens them and writes "key: value". */
void outline_value(struct outline *outline, const char *path, const char *value);

/* Writes "# path: value" and opens nothing: a mapping of comments would be no mapping. */
void outline_comment(struct outline *outline, const char *path, const char *value);

/* Begins a line at the depth of the option's key. */
void outline_indent(struct outline *outline, const char *path);

#endif
