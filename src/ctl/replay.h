/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_REPLAY_H
#define SLUICED_CTL_REPLAY_H

#include "ctl/command.h"

/* Entries of a stream through the handler once more; the group is not touched. */
enum ctl_exit replay_run(struct ctl *c);

#endif
