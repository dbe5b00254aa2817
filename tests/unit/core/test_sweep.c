/* SPDX-License-Identifier: MIT */
#include "core/sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct {
	uint64_t idle_ms, min_idle_ms;
	bool nobody, stale;
} rows[] = {
	{ 0, 1000, false, false },
	{ 999, 1000, false, false },
	{ 1000, 1000, false, true },
	{ 1001, 1000, false, true },
	{ UINT64_MAX, 1000, false, true },
	{ 0, 0, false, true },
	{ 0, 1000, true, true },
};

static void test_is_stale(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pending_row row = { .idle_ms = rows[i].idle_ms, .nobody = rows[i].nobody };

		assert_int_equal(sweep_is_stale(&row, rows[i].min_idle_ms), rows[i].stale);
	}
}

static void test_advance(void **unused)
{
	struct sweep s = { .active = true };

	(void)unused;
	assert_true(sweep_advance(&s, 10, 10, (struct entryid){ 5, 1 }));
	assert_int_equal(s.cursor.ms, 5);
	assert_int_equal(s.cursor.seq, 1);
	assert_true(s.active);
	assert_true(sweep_advance(&s, 10, 10, (struct entryid){ 9, 0 }));
	assert_int_equal(s.cursor.ms, 9);
	/* A page that is not full is the last one: the next round begins at the start. */
	assert_false(sweep_advance(&s, 9, 10, (struct entryid){ 12, 0 }));
	assert_true(entryid_is_zero(s.cursor));
	assert_false(s.active);
	s.cursor = (struct entryid){ 5, 1 };
	assert_false(sweep_advance(&s, 0, 10, (struct entryid){ 5, 1 }));
	assert_true(entryid_is_zero(s.cursor));
	/* Nor is there an end to a page that can be asked for again and again. */
	s.cursor = (struct entryid){ 5, 1 };
	assert_false(sweep_advance(&s, 10, 10, (struct entryid){ 5, 1 }));
	assert_true(entryid_is_zero(s.cursor));
}

/* Every row of the list is seen once in a round, whatever the length of the list. */
static void test_a_round_sees_all(void **unused)
{
	enum { PAGE = 7 };

	(void)unused;
	for (uint64_t n = 0; n < 50; n++) {
		struct sweep s = { .active = true };
		uint64_t seen = 0, pages = 0;
		bool more;

		do {
			size_t rows_left = (size_t)(n - s.cursor.ms);
			size_t n_rows = rows_left < PAGE ? rows_left : PAGE;

			assert_int_equal(s.cursor.ms, seen);
			seen += n_rows;
			pages++;
			more = sweep_advance(&s, n_rows, PAGE, (struct entryid){ seen, 0 });
		} while (more);
		assert_int_equal(seen, n);
		assert_int_equal(pages, n / PAGE + 1);
	}
}

static void test_pause(void **unused)
{
	(void)unused;
	assert_int_equal(sweep_pause_ms(0), 0);
	assert_int_equal(sweep_pause_ms(1), 3);
	assert_int_equal(sweep_pause_ms(1000), 3000);
	assert_int_equal(sweep_long_pause_ms(0), 3);
	assert_int_equal(sweep_long_pause_ms(1), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_stale),
		cmocka_unit_test(test_advance),
		cmocka_unit_test(test_a_round_sees_all),
		cmocka_unit_test(test_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
