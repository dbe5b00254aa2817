/* SPDX-License-Identifier: MIT */
/* Every cell of the table of a worker's life. */
#include "core/workerfsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_every_cell(void **state)
{
	/* Columns: SPAWNED, READY, LEAVE, KILLED, REAPED. */
	static const char *const rows[WORKER_STATE_COUNT][WORKER_EVENT_COUNT] = {
		[WORKER_DOWN] = { "starting", "down", "down", "down", "down" },
		[WORKER_STARTING] = { "starting", "up", "leaving", "dying", "down" },
		[WORKER_UP] = { "up", "up", "leaving", "dying", "down" },
		[WORKER_LEAVING] = { "leaving", "leaving", "leaving", "dying", "down" },
		[WORKER_DYING] = { "dying", "dying", "dying", "dying", "down" },
	};

	(void)state;
	for (int s = 0; s < WORKER_STATE_COUNT; s++) {
		for (int e = 0; e < WORKER_EVENT_COUNT; e++) {
			enum worker_state after =
			    worker_state_after((enum worker_state)s, (enum worker_event)e);

			assert_string_equal(worker_state_word(after), rows[s][e]);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_cell) };

	return cmocka_run_group_tests_name("workerfsm", tests, NULL, NULL);
}
