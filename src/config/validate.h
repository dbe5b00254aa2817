/* SPDX-License-Identifier: MIT */
/* What no value can be told by itself: rules between options, and the world outside the file. */
#ifndef SLUICED_CONFIG_VALIDATE_H
#define SLUICED_CONFIG_VALIDATE_H

#include "config/config.h"
#include "config/section.h"

/* A configuration whose values have been read, and where each came from. */
struct loaded {
	const struct config *config;
	const struct section *redis, *daemon;
	const struct section *consumers; /* one for each consumer */
	struct diag *diag;
};

/* Adds errors, and, where there is no error so far, warnings. */
void validate(const struct loaded *l);

#endif
