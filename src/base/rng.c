/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high)
{
	uint64_t values = high - low + 1;

	if (high <= low)
		return low;
	/* 0: the range is every number there is. */
	return values ? low + rng_next(r) % values : rng_next(r);
}
