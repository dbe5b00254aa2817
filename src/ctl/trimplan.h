/* SPDX-License-Identifier: MIT */
/* What a trim would remove from a stream, and who had still to do with it. */
#ifndef SLUICED_CTL_TRIMPLAN_H
#define SLUICED_CTL_TRIMPLAN_H

#include "ctl/progress.h"
#include "ctl/target.h"

enum trim_kind { TRIM_MAXLEN, TRIM_OLDER_THAN, TRIM_ACKNOWLEDGED };

/* A group that has not done with some of it. It may have read some and not acknowledged them, and
 * then been set back: those are counted in both. */
struct trim_loss {
	char *group;
	uint64_t n_unread, n_pending;
};

struct trimplan {
	struct target *target;
	enum trim_kind kind;
	uint64_t amount; /* entries that stay; ms */

	uint64_t n_groups;  /* of the stream */
	uint64_t n_entries; /* that would go */
	struct entryid last;
	struct trim_loss *losses;
	size_t n_losses;
};

/* Begins a call of redis/trim.lua, which says what the texts are. */
void trim_call(struct target *t, const char *what, const char *amount, const char *exact);

/* Counts; until an interrupt. DONE; FAILED or, without the stream, MISSING after saying so. */
enum ctl_exit trimplan_make(struct trimplan *p, struct ctl *c,
    struct progress *progress) MUST_CHECK;

/* Appends it as a sentence in the future. */
void trimplan_say(const struct trimplan *p, struct buf *to);

void trimplan_done(struct trimplan *p);

#endif
