/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_CLAIM_H
#define SLUICED_CTL_CLAIM_H

#include "ctl/command.h"

/* Takes over what others have let lie. */
enum ctl_exit claim_run(struct ctl *c);

#endif
