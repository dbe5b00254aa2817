/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_RELEASE_H
#define SLUICED_CTL_RELEASE_H

#include "ctl/command.h"

/* Gives pending entries back to their group. */
enum ctl_exit release_run(struct ctl *c);

#endif
