/* SPDX-License-Identifier: MIT */
/* A seedable source of jitter (splitmix64). Not for secrets. */
#ifndef SLUICED_BASE_RNG_H
#define SLUICED_BASE_RNG_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

uint64_t rng_next(struct rng *r);

/* Uniform in [low, high]. */
uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high);

#endif
