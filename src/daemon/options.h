/* SPDX-License-Identifier: MIT */
/* The command line of sluiced. */
#ifndef SLUICED_DAEMON_OPTIONS_H
#define SLUICED_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/log.h"

enum exit_status { EXIT_CLEAN = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_CONFIGURATION = 78 };

enum task { TASK_RUN, TASK_CHECK, TASK_PRINT_CONFIG, TASK_PRINT_SCHEMA, TASK_VERSION, TASK_HELP };

struct options {
	enum task task;
	const char *config_path;
	const char *instance; /* NULL: as the file says */
	bool has_log_level;
	enum log_level log_level; /* instead of the file's */
};

/* 0, or -EINVAL after saying on standard error what is wrong. */
int options_parse(int argc, char **argv, struct options *ret_options) MUST_CHECK;

void options_print_help(FILE *to);

#endif
