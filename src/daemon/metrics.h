/* SPDX-License-Identifier: MIT */
/* The page /metrics: one table of every metric. */
#ifndef SLUICED_DAEMON_METRICS_H
#define SLUICED_DAEMON_METRICS_H

#include "base/buf.h"
#include "daemon/view.h"

/* Appends all of them. What was the longest stall begins anew. */
void metrics_write(const struct view *v, struct buf *to);

#endif
