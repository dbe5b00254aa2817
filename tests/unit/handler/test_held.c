/* SPDX-License-Identifier: MIT */
/* The ring of outstanding entries, against a plain array of what should be in it. */
#include "handler/held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"

enum { ENTRIES = 5000, WINDOW = 50 };

static struct entry *entries_new(void)
{
	struct entry *entries = xcalloc(ENTRIES, sizeof(*entries));

	for (unsigned i = 0; i < ENTRIES; i++) {
		entries[i].tag = 3 * (uint64_t)i + 1;
		entries[i].handed_at_ms = 1000 + i;
	}
	return entries;
}

static void push(struct held *h, struct entry *e)
{
	held_push(h, e, e->tag * 10, e->handed_at_ms);
}

static void test_in_order(void **state)
{
	struct entry *entries = entries_new();
	struct held h = { 0 };

	(void)state;
	assert_null(held_oldest(&h));
	assert_null(held_find(&h, 1));
	for (unsigned i = 0; i < ENTRIES; i++)
		push(&h, &entries[i]);
	for (unsigned i = 0; i < ENTRIES; i++) {
		struct held_slot *slot = held_oldest(&h);

		assert_ptr_equal(slot->entry, &entries[i]);
		assert_ptr_equal(held_find(&h, entries[i].tag), slot);
		assert_null(held_find(&h, entries[i].tag + 1));
		assert_int_equal(slot->line_at, entries[i].tag * 10);
		held_remove(&h, slot);
		assert_null(held_find(&h, entries[i].tag));
	}
	assert_int_equal(h.n, 0);
	held_trim(&h);
	assert_int_equal(h.cap, 0);
	held_done(&h);
	free(entries);
}

/* One entry stays while thousands pass by: the ring must not grow with them. */
static void test_one_stays(void **state)
{
	struct entry *entries = entries_new();
	struct held h = { 0 };

	(void)state;
	push(&h, &entries[0]);
	for (unsigned i = 1; i < ENTRIES; i++) {
		push(&h, &entries[i]);
		held_remove(&h, held_find(&h, entries[i].tag));
		assert_ptr_equal(held_oldest(&h)->entry, &entries[0]);
	}
	assert_int_equal(h.n, 1);
	assert_in_range(h.cap, 1, 16);
	held_done(&h);
	free(entries);
}

static uint64_t lowest_clock(const struct held *h)
{
	uint64_t lowest = UINT64_MAX;

	for (uint32_t n = h->first; n != h->last; n++) {
		const struct held_slot *slot = held_numbered(h, n);

		if (slot->entry && slot->clock_at_ms < lowest)
			lowest = slot->clock_at_ms;
	}
	return lowest;
}

static void test_any_order(void **state)
{
	struct entry *entries = entries_new();
	struct entry *outstanding[WINDOW];
	struct held h = { 0 };
	struct rng rng = { .state = 42 };
	uint32_t n = 0;

	(void)state;
	for (unsigned next = 0; next < ENTRIES || n;) {
		if (next < ENTRIES && n < WINDOW && rng_between(&rng, 0, 1)) {
			outstanding[n++] = &entries[next];
			push(&h, &entries[next++]);
		} else if (n) {
			uint32_t which = (uint32_t)rng_between(&rng, 0, n - 1);
			struct held_slot *slot = held_find(&h, outstanding[which]->tag);

			assert_ptr_equal(slot->entry, outstanding[which]);
			if (rng_between(&rng, 0, 3) == 0) {
				slot->clock_at_ms = 1000 + next;
			} else {
				held_remove(&h, slot);
				outstanding[which] = outstanding[--n];
			}
		}
		assert_int_equal(h.n, n);
		assert_true(h.cap <= 4 * WINDOW);
		if (n)
			assert_int_equal(held_earliest_clock(&h), lowest_clock(&h));
	}
	held_done(&h);
	free(entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_one_stays),
		cmocka_unit_test(test_any_order),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
