/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_REDRIVE_H
#define SLUICED_CTL_REDRIVE_H

#include "ctl/command.h"

/* Gives dead entries back to their group, or adds them to their stream as new ones. */
enum ctl_exit dead_redrive_run(struct ctl *c);

#endif
