/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_INFO_H
#define SLUICED_CTL_INFO_H

#include "ctl/command.h"

/* What XINFO and XPENDING tell of streams and groups, together. */
enum ctl_exit info_run(struct ctl *c);

#endif
