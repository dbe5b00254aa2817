/* SPDX-License-Identifier: MIT */
/* The pages /v1/status and /readyz. Members of the objects are only ever added. */
#ifndef SLUICED_DAEMON_STATUS_H
#define SLUICED_DAEMON_STATUS_H

#include "base/buf.h"
#include "daemon/view.h"

void status_write(const struct view *v, struct buf *to);

/* Whether everything that is configured can be done; what is in the way is named. */
bool readiness_write(const struct view *v, struct buf *to);

#endif
