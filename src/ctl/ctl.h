/* SPDX-License-Identifier: MIT */
/* What a command of sluicectl works with: its arguments, the configuration, the way to Redis. */
#ifndef SLUICED_CTL_CTL_H
#define SLUICED_CTL_CTL_H

#include <stdbool.h>

#include "base/compiler.h"
#include "config/config.h"
#include "ctl/args.h"
#include "ctl/link.h"

struct ctl {
	struct args args;
	bool json;
	struct config *config; /* NULL until ctl_config() */
	struct config *by_url; /* what --url says, with defaults for the rest */
	struct link *link;     /* NULL until ctl_link() */
	char *path;            /* of the configuration, where the instance's name led to it */
};

/* "sluicectl: ..." on standard error. */
void complain(const char *format, ...) PRINTF_LIKE(1, 2);

/* The configuration file, loaded once; NULL after saying what is wrong with it, on standard error.
 * Handlers need not be on this machine. */
const struct config *ctl_config(struct ctl *c);

/* The path of that file, borrowed. */
const char *ctl_config_path(struct ctl *c);

/* The settings of the connection: of --url, or of the configuration. NULL as above. */
const struct redis_settings *ctl_redis(struct ctl *c);

/* The way to Redis, opened once; NULL as above. Nothing is connected before a place_open(). */
struct link *ctl_link(struct ctl *c);

/* A consumer whose settings all have their defaults, for one that is in no file; NULL as above. */
const struct consumer_settings *ctl_default_consumer(struct ctl *c);

/* The connections log as the daemon's do: nothing of it is shown, as it is at first. What concerns
 * the user is told by who waits for them. */
void ctl_keep_log_quiet(void);

void ctl_done(struct ctl *c);

#endif
