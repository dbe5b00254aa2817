/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_PENDING_H
#define SLUICED_CTL_PENDING_H

#include "ctl/command.h"

/* Lists what the group has delivered and nobody has acknowledged. */
enum ctl_exit pending_run(struct ctl *c);

#endif
