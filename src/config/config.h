/* SPDX-License-Identifier: MIT */
/* The configuration file: loaded whole, checked whole, immutable afterwards. */
#ifndef SLUICED_CONFIG_CONFIG_H
#define SLUICED_CONFIG_CONFIG_H

#include <stddef.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/diag.h"
#include "base/slice.h"
#include "core/settings.h"

struct config {
	struct redis_settings redis;
	struct daemon_settings daemon;
	struct consumer_settings *consumers; /* in file order */
	size_t n_consumers;
	unsigned n_users;
};

/* What a file is loaded for. Who does not run the handlers may be on another machine than they: a
 * program that is missing is a warning then, and handler.program is NULL. */
enum config_use { CONFIG_TO_RUN, CONFIG_TO_LOOK_AT };

struct config_source {
	const char *path;     /* names the file in messages and tells where relative paths start */
	const char *instance; /* instead of daemon.instance; NULL: as the file says */
	enum config_use use;
};

/*
 * Loads and checks a file. Everything wrong with it is added to diag; 0 with warnings at most, or
 * -EINVAL when there was an error, or -errno when the file could not be read (also in diag). The
 * caller owns the result.
 */
int config_load(const struct config_source *from, struct diag *diag,
    struct config **ret_config) MUST_CHECK;

/* The same for a text that is already in memory. */
int config_load_text(const struct config_source *from, struct slice text, struct diag *diag,
    struct config **ret_config) MUST_CHECK;

/* A configuration is kept by whoever uses what it points to; the last config_free() frees it. */
struct config *config_keep(struct config *c);
void config_free(struct config *c);

/* The effective configuration as YAML: defaults filled in, secrets as ***. */
void config_print(const struct config *c, FILE *to);

/* JSON Schema of the file, for editors. */
void config_print_schema(FILE *to);

/* A file with every key, its default and a line of explanation, all commented out but for a minimal
 * consumer: what config/sluiced.yaml holds. */
void config_print_reference(FILE *to);

#endif
