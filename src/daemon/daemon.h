/* SPDX-License-Identifier: MIT */
/* The running daemon: from a loaded configuration to a clean stop. */
#ifndef SLUICED_DAEMON_DAEMON_H
#define SLUICED_DAEMON_DAEMON_H

#include "config/config.h"

/* Runs until it is told to stop and has drained. Returns the exit status. */
int daemon_run(const struct config *config);

#endif
