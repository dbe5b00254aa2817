/* SPDX-License-Identifier: MIT */
#include "core/stats.h"

void stats_each(const struct stats *s, void (*visit)(void *context, const struct stats_row *row),
    void *context)
{
	const struct stats_row rows[] = {
#define X(name, metric, label, value, text) { #name, metric, label, value, text, s->name },
		STATS_COUNTERS(X)
#undef X
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		visit(context, &rows[i]);
}
