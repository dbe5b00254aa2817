/* SPDX-License-Identifier: MIT */
#include "core/sightings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

enum { HOUR_MS = 3600 * 1000, LOOKS_MAX = 5 };

struct look {
	uint64_t asked_at_ms, came_at_ms, idle_ms;
	bool touched;
};

static const struct {
	const char *name;
	struct look looks[LOOKS_MAX];
} rows[] = {
	{ "left alone", { { 10000, 10000, 50, false }, { 11000, 11000, 1050, false },
	                    { 30000, 30000, 20050, false } } },
	{ "renewed", { { 10000, 10000, 3000, false }, { 15000, 15000, 2000, true } } },
	{ "renewed to the same idle time",
	    { { 10000, 10000, 500, false }, { 13000, 13000, 500, true } } },
	{ "renewed often, by less than the slack each time",
	    { { 10000, 10000, 100, false }, { 10500, 10500, 100, false },
	        { 11000, 11000, 100, false }, { 11500, 11500, 100, true } } },
	{ "renewed again and again",
	    { { 10000, 10000, 100, false }, { 12000, 12000, 100, true },
	        { 12500, 12500, 600, false }, { 14000, 14000, 100, true } } },
	{ "the second reply was held up",
	    { { 10000, 10000, 50, false }, { 10100, 19000, 150, false } } },
	{ "the first reply was held up",
	    { { 10000, 19000, 9050, false }, { 20000, 20000, 10050, false } } },
	{ "touched before the clock began",
	    { { 10, 10, 1u << 31, false }, { 5010, 5010, (1u << 31) + 5000, false } } },
	{ "given back as idle for ever",
	    { { 10000, 10000, 50, false }, { 12000, 12000, 1ull << 40, false } } },
	{ "clocks that drift apart by a thousandth",
	    { { 10000, 10000, 50, false },
	        { 10000 + 2 * HOUR_MS, 10000 + 2 * HOUR_MS, 50 + 2 * HOUR_MS - 7200, false } } },
};

static bool look(struct sightings *s, struct entryid id, const struct look *l)
{
	const struct pending_row row = { .id = id, .idle_ms = l->idle_ms };

	return sightings_touched(s, &row, l->asked_at_ms, l->came_at_ms);
}

static void test_rows(void **unused)
{
	const struct entryid id = { 1700000000000, 3 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sightings s = { 0 };

		for (size_t n = 0; n < LOOKS_MAX && rows[i].looks[n].asked_at_ms; n++) {
			if (look(&s, id, &rows[i].looks[n]) != rows[i].looks[n].touched)
				fail_msg("%s: look %zu", rows[i].name, n);
		}
	}
}

static const struct look before = { 10000, 10000, 50, false }, after = { 15000, 15000, 50, true };

static void test_forgotten(void **unused)
{
	struct sightings s = { 0 };

	(void)unused;
	look(&s, (struct entryid){ 5, 0 }, &before);
	look(&s, (struct entryid){ 6, 0 }, &before);
	sightings_forget(&s, (struct entryid){ 5, 0 });
	sightings_forget(&s, (struct entryid){ 7, 0 });
	assert_false(look(&s, (struct entryid){ 5, 0 }, &after));
	assert_true(look(&s, (struct entryid){ 6, 0 }, &after));
}

/* Of many, most are remembered, and none is taken for another. */
static void test_many(void **unused)
{
	struct sightings s = { 0 };
	unsigned n_touched = 0;

	(void)unused;
	for (uint64_t n = 0; n < SIGHTINGS_MAX / 4; n++)
		assert_false(look(&s, (struct entryid){ 1700000000000 + n / 8, n % 8 }, &before));
	for (uint64_t n = 0; n < SIGHTINGS_MAX / 4; n++)
		n_touched += look(&s, (struct entryid){ 1700000000000 + n / 8, n % 8 }, &after);
	assert_in_range(n_touched, SIGHTINGS_MAX / 6, SIGHTINGS_MAX / 4);
	for (uint64_t n = 1; n < 100000; n++)
		assert_false(look(&s, (struct entryid){ 1800000000000, n }, &before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("sightings", tests, NULL, NULL);
}
