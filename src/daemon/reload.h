/* SPDX-License-Identifier: MIT */
/* A changed configuration, while everything runs: all of it or nothing. */
#ifndef SLUICED_DAEMON_RELOAD_H
#define SLUICED_DAEMON_RELOAD_H

#include "base/diag.h"
#include "config/config.h"
#include "daemon/roster.h"

/* Loads the file anew and says in diag what is wrong with it, what a reload cannot change included.
 * 0 with a configuration that can be applied, or a negative errno. */
int reload_prepare(const char *path, const struct config *running, struct diag *diag,
    struct config **ret_config) MUST_CHECK;

struct reload_counts {
	size_t added, changed, replaced, removed, same;
};

/* Applies it. Consumers are matched by name: those with the same settings are not touched. */
struct reload_counts reload_apply(struct roster *r, const struct site_spec *spec,
    struct config *config);

#endif
