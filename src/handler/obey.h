/* SPDX-License-Identifier: MIT */
/* What a worker says on its verdict channel, and what is done about it. */
#ifndef SLUICED_HANDLER_OBEY_H
#define SLUICED_HANDLER_OBEY_H

#include <ev.h>
#include <stdbool.h>

#include "handler/child.h"

/* The child_events.on_line of workers. A line that was never ended is no line: its tag may be half
 * of another. */
bool obey_line(struct child *c, struct slice line, enum line_end end);

/* The end of a worker's pause: the callback of its timer. */
void obey_pause_over(struct ev_loop *ev, ev_timer *timer, int events);

#endif
