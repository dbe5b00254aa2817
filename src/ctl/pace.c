/* SPDX-License-Identifier: MIT */
#include "ctl/pace.h"

#include "base/clock.h"

enum { BATCHES_A_SECOND = 10 };

struct pace pace_begin(const struct ctl *c)
{
	return (struct pace){
		.rate = args_number(&c->args, OPTION_RATE, 0),
		.started_at_ms = clock_mono_ms(),
	};
}

size_t pace_batch(const struct pace *p, size_t max)
{
	uint64_t share = p->rate / BATCHES_A_SECOND;

	if (!p->rate || share > max)
		return max;
	return share ? (size_t)share : 1;
}

void pace_wait(struct pace *p, struct link *l, size_t n)
{
	uint64_t due_ms, now_ms = clock_mono_ms();

	p->n_done += n;
	if (!p->rate)
		return;
	due_ms = p->started_at_ms + p->n_done * 1000 / p->rate;
	if (due_ms > now_ms)
		link_pause(l, due_ms - now_ms);
}
