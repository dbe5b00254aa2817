/* SPDX-License-Identifier: MIT */
/* A figure that is watched: it is said once when it crosses its limit, and once when it is well
 * below again. Pure. */
#ifndef SLUICED_CORE_ALERT_H
#define SLUICED_CORE_ALERT_H

#include <stdbool.h>
#include <stdint.h>

enum alert_change { ALERT_SAME, ALERT_RAISED, ALERT_OVER };

struct alert {
	bool raised;
};

/* Raised above the limit; over at four fifths of it or less, so that a figure which plays about its
 * limit is not said again and again. A limit of 0 is none. */
enum alert_change alert_look(struct alert *a, uint64_t limit, uint64_t value);

#endif
