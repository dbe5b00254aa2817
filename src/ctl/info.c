/* SPDX-License-Identifier: MIT */
#include "ctl/info.h"

#include "ctl/output.h"
#include "ctl/target.h"

static enum ctl_exit show(struct ctl *c, struct target *t, struct table *table)
{
	enum ctl_exit status = target_open(c, t);
	const struct reply *r;

	if (status != CTL_DONE)
		return status;
	place_words(&t->place, "XLEN", t->stream, NULL);
	r = ask_well(&t->place);
	if (!r)
		return CTL_FAILED;
	table_text(table, slice_of(t->stream));
	table_u64(table, (uint64_t)reply_integer(r));
	return CTL_DONE;
}

enum ctl_exit info_run(struct ctl *c)
{
	struct table *table = table_new("STREAM", ">LENGTH", NULL);
	struct targets targets;
	enum ctl_exit status = targets_find(c, &targets);

	if (status == CTL_DONE) {
		for (size_t i = 0; i < targets.len && status == CTL_DONE; i++)
			status = show(c, &targets.items[i], table);
		table_print(table);
		targets_done(&targets);
	}
	table_free(table);
	return status;
}
