/* SPDX-License-Identifier: MIT */
/* --rate: how fast a command goes on. Without one it goes as fast as it can. */
#ifndef SLUICED_CTL_PACE_H
#define SLUICED_CTL_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "ctl/ctl.h"

struct pace {
	uint64_t rate; /* a second; 0: none */
	uint64_t n_done, started_at_ms;
};

/* As --rate says, from now on. */
struct pace pace_begin(const struct ctl *c);

/* How many to do at once, at most max: a tenth of a second's share. */
size_t pace_batch(const struct pace *p, size_t max);

/* So many were done: waits until the next ones may be, or for an interrupt. */
void pace_wait(struct pace *p, struct link *l, size_t n);

#endif
