/* SPDX-License-Identifier: MIT */
#include "core/sweep.h"

bool sweep_advance(struct sweep *s, size_t n_rows, size_t page_size, struct entryid last)
{
	/* Rows that cannot be read move nothing on. */
	if (n_rows < page_size || entryid_compare(last, s->cursor) == 0) {
		*s = (struct sweep){ 0 };
		return false;
	}
	s->cursor = last;
	return true;
}

uint64_t sweep_pause_ms(uint64_t page_took_ms)
{
	return 3 * page_took_ms;
}

uint64_t sweep_long_pause_ms(uint64_t page_took_ms)
{
	return sweep_pause_ms(page_took_ms + 1);
}
