/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_TOP_H
#define SLUICED_CTL_TOP_H

#include "ctl/command.h"

/* The consumers of the daemon, live, on a terminal. */
enum ctl_exit top_run(struct ctl *c);

#endif
