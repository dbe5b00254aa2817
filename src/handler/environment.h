/* SPDX-License-Identifier: MIT */
/* The environment of handler processes. */
#ifndef SLUICED_HANDLER_ENVIRONMENT_H
#define SLUICED_HANDLER_ENVIRONMENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "core/entry.h"
#include "core/fields.h"
#include "core/settings.h"

/*
 * What all processes of a pool get: base with handler.environment on top and SLUICE_PROTOCOL and
 * SLUICE_VERDICT_FD, which is 1 with handler.verdicts: stdout. Names that begin with SLUICE_ are
 * ours alone. Freed with handler_environment_free().
 */
char **environment_new(char *const *base, const struct handler_settings *settings) MUST_CHECK;

/* The environment of one exec run, built again and again in the same memory. */
struct run_environment {
	char **list;
	size_t cap;
	struct buf text;
};

struct run_facts {
	const struct entry *entry;
	const struct fields *fields;
	uint64_t max_attempts, deadline_ms;
};

/* common with the run's SLUICE_ variables; valid until the next call. */
char *const *run_environment_fill(struct run_environment *r, char *const *common,
    const struct handler_settings *settings, const struct run_facts *facts);

void run_environment_done(struct run_environment *r);

#endif
