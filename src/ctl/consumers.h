/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_CONSUMERS_H
#define SLUICED_CTL_CONSUMERS_H

#include "ctl/command.h"

/* Who is in a group, and away with one of them (remove.c). */
enum ctl_exit consumers_run(struct ctl *c);
enum ctl_exit consumers_rm_run(struct ctl *c);

#endif
