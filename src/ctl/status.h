/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_STATUS_H
#define SLUICED_CTL_STATUS_H

#include "ctl/command.h"

/* What the daemon tells of itself and its consumers, or of one of them in detail. */
enum ctl_exit status_run(struct ctl *c);

/* The names of the consumers, a line each, of the configuration or else of the daemon: for the
 * completion of shells. */
enum ctl_exit names_run(struct ctl *c);

#endif
