/* SPDX-License-Identifier: MIT */
/* What is said of a figure that goes up and down. */
#include "core/alert.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_up_and_down(void **unused)
{
	static const struct {
		uint64_t limit, value;
		enum alert_change change;
	} steps[] = {
		{ 100, 100, ALERT_SAME },
		{ 100, 101, ALERT_RAISED },
		{ 100, 500, ALERT_SAME },
		{ 100, 90, ALERT_SAME },
		{ 100, 81, ALERT_SAME },
		{ 100, 80, ALERT_OVER },
		{ 100, 100, ALERT_SAME },
		{ 100, 101, ALERT_RAISED },
		{ 0, 101, ALERT_OVER },
		{ 0, 1000, ALERT_SAME },
		{ 1, 2, ALERT_RAISED },
		{ 1, 1, ALERT_OVER },
		{ UINT64_MAX, UINT64_MAX, ALERT_SAME },
	};
	struct alert a = { 0 };

	(void)unused;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(alert_look(&a, steps[i].limit, steps[i].value), steps[i].change);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_up_and_down) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
