/* SPDX-License-Identifier: MIT */
#include "core/alert.h"

enum alert_change alert_look(struct alert *a, uint64_t limit, uint64_t value)
{
	if (!a->raised && limit && value > limit) {
		a->raised = true;
		return ALERT_RAISED;
	}
	if (a->raised && (!limit || value <= limit - limit / 5)) {
		a->raised = false;
		return ALERT_OVER;
	}
	return ALERT_SAME;
}
