/* SPDX-License-Identifier: MIT */
/*
 * Starting a handler process: its own process group, default signals, nothing inherited but
 * descriptors 0 to 3. The daemon's memory map is not copied, as fork() would do.
 */
#ifndef SLUICED_HANDLER_SPAWN_H
#define SLUICED_HANDLER_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "core/settings.h"

enum { SPAWN_PIPE = -1 };

struct spawn_spec {
	const struct handler_settings *settings;
	char *const *environment;
	int stdin_fd; /* becomes standard input; taken over and closed. SPAWN_PIPE: a new pipe */
};

/* Our ends of the pipes, non-blocking and the caller's to close; -1 where there is none. */
struct spawned {
	pid_t pid;
	int input, output, error;
	int verdicts; /* -1 with handler.verdicts: stdout */
};

/* 0, or -errno when the process could not be started: nothing is left open then. The caller starts
 * an ev_child before it returns to the loop, which reaps whatever ends. */
int spawn_handler(const struct spawn_spec *spec, struct spawned *ret) MUST_CHECK;

/* Whether the machine and not the command is to blame, so that it may work a little later. */
bool spawn_error_is_temporary(int error);

#endif
