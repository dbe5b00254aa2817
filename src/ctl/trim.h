/* SPDX-License-Identifier: MIT */
/* trim NAME --maxlen N | --older-than D | --acknowledged */
#ifndef SLUICED_CTL_TRIM_H
#define SLUICED_CTL_TRIM_H

#include "ctl/ctl.h"

enum ctl_exit trim_run(struct ctl *c);

#endif
