/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_DEAD_H
#define SLUICED_CTL_DEAD_H

#include "ctl/command.h"

/* Dead-letter records: a row of each, all of each, and away with them. */
enum ctl_exit dead_list_run(struct ctl *c);
enum ctl_exit dead_show_run(struct ctl *c);
enum ctl_exit dead_purge_run(struct ctl *c);

#endif
