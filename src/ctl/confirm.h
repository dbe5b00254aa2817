/* SPDX-License-Identifier: MIT */
/* Before something is changed: what will be done is said, and on a terminal asked about. */
#ifndef SLUICED_CTL_CONFIRM_H
#define SLUICED_CTL_CONFIRM_H

#include <stdbool.h>

#include "ctl/ctl.h"

/* What confirm() says. */
enum consent {
	CONSENT_GO,  /* do it */
	CONSENT_DRY, /* --dry-run: that was all, and all is well: CTL_DONE */
	CONSENT_NO,  /* the answer was no: CTL_FAILED */
};

/*
 * Says the text on standard error, and asks on a terminal unless --yes. The text is a whole
 * sentence in the future: "3 records of orders:dead will be removed."
 */
enum consent confirm(const struct ctl *c, const char *format, ...) PRINTF_LIKE(2, 3) MUST_CHECK;

#endif
