/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_SHOW_H
#define SLUICED_CTL_SHOW_H

#include "ctl/command.h"

/* One entry, and what became of it. */
enum ctl_exit show_run(struct ctl *c);

#endif
