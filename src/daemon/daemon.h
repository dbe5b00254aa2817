/* SPDX-License-Identifier: MIT */
/* The daemon from start to end. */
#ifndef SLUICED_DAEMON_DAEMON_H
#define SLUICED_DAEMON_DAEMON_H

#include "base/buf.h"
#include "config/config.h"

struct daemon;

struct daemon_spec {
	const char *config_path; /* loaded again at a reload */
	struct config *config;
	/* Lets the log follow the settings of a configuration, which must be kept meanwhile. */
	void (*use_log_settings)(const struct config *config);
};

/* Runs until it is told to stop and has drained. Returns the exit status. */
int daemon_run(const struct daemon_spec *spec);

/* Loads the file anew and applies it; or a negative errno, and everything is as it was. What is
 * wrong, or to be warned of, is logged and added to ret_lines, a line each. */
int daemon_reload(struct daemon *d, struct buf *ret_lines);

#endif
