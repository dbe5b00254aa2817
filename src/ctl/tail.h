/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_TAIL_H
#define SLUICED_CTL_TAIL_H

#include "ctl/command.h"

/* Prints the last entries of streams, and new ones as they come. */
enum ctl_exit tail_run(struct ctl *c);

#endif
