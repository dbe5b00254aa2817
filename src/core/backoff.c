/* SPDX-License-Identifier: MIT */
#include "core/backoff.h"

uint64_t backoff_next_ms(struct backoff *b, uint64_t dice)
{
	uint64_t whole = b->next_ms ? b->next_ms : b->initial_ms;

	if (whole > b->max_ms)
		whole = b->max_ms;
	b->next_ms = whole > b->max_ms / 2 ? b->max_ms : 2 * whole;
	return whole - dice % (whole / 2 + 1);
}

void backoff_reset(struct backoff *b)
{
	b->next_ms = 0;
}

void backoff_to_max(struct backoff *b)
{
	b->next_ms = b->max_ms;
}
