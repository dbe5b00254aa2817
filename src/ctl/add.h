/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_CTL_ADD_H
#define SLUICED_CTL_ADD_H

#include "base/buf.h"
#include "core/fields.h"
#include "ctl/command.h"
#include "ctl/target.h"

/* Adds one entry, or an entry for each line of a file. */
enum ctl_exit add_run(struct ctl *c);

/* Appends an XADD of those fields, with what the options say. */
void add_command(const struct ctl *c, const struct target *t, const struct fields *f,
    struct buf *to);

#endif
