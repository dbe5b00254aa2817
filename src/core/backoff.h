/* SPDX-License-Identifier: MIT */
/* Delays that double up to a bound, each taken at random between half and the whole of it. Pure. */
#ifndef SLUICED_CORE_BACKOFF_H
#define SLUICED_CORE_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint64_t initial_ms, max_ms;
	uint64_t next_ms; /* 0: begin with initial_ms */
};

/* The delay to wait now; `dice` is any random number. */
uint64_t backoff_next_ms(struct backoff *b, uint64_t dice);

void backoff_reset(struct backoff *b);

/* From now on the longest delay: for what only a person can mend. */
void backoff_to_max(struct backoff *b);

#endif
