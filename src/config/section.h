/* SPDX-License-Identifier: MIT */
/* A mapping whose keys are rows of the option table: `redis`, `daemon`, a consumer, `defaults`. */
#ifndef SLUICED_CONFIG_SECTION_H
#define SLUICED_CONFIG_SECTION_H

#include "config/option.h"

struct section {
	enum option_scope scope;
	char *path;                   /* "consumers.mailer" */
	struct diag_place at;         /* of the section's key */
	const struct ynode *own;      /* what the file says here; NULL: nothing */
	const struct ynode *defaults; /* what it says for all consumers; NULL: nothing */
	void *dest;                   /* the section's struct */
};

/* Reports keys that no row knows, and whatever stands where a mapping should. */
void section_check_keys(const struct load *load, const struct section *s);

/* Sets every option of the section: from the file, else from `defaults`, else its default. */
void section_read(struct load *load, const struct section *s);

/* Frees what the options of a section's struct hold. */
void section_done(enum option_scope scope, void *dest);

/* What sets an option: the section's own pair, or that of `defaults`; NULL when neither does. */
const struct ypair *section_pair(const struct section *s, const char *path);
const struct ypair *section_own_pair(const struct section *s, const char *path);

/* Where the value of an option stands; where the section does, when nothing sets it. */
struct diag_place section_place(const struct section *s, const char *path);

/* Reports a key that is none of `known` (ends with NULL); `elsewhere` may be NULL. */
void report_unknown_key(const struct load *load, const char *path, const struct ynode *key,
    const struct string_list *known, const char *elsewhere);

/* Keys that begin with "x-" are a home for anchors. */
bool is_ignored_key(const char *key);

#endif
