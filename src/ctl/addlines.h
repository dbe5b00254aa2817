/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_ADDLINES_H
#define SLUICED_CTL_ADDLINES_H

#include "ctl/command.h"
#include "ctl/target.h"

/* Adds an entry for each line of a file, or of standard input, and gives an account. */
enum ctl_exit add_lines(struct ctl *c, struct target *t, const char *path);

#endif
