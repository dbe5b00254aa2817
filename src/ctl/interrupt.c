/* SPDX-License-Identifier: MIT */
#include "ctl/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t n_interrupts;
static sig_atomic_t n_noted = 1;

static void on_signal(int number)
{
	if (n_interrupts++ >= n_noted)
		_exit(128 + number);
}

void interrupt_catch(void)
{
	/* No SA_RESTART: a read of a terminal or a pipe returns. */
	struct sigaction action = { .sa_handler = on_signal };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

void interrupt_catch_two(void)
{
	n_noted = 2;
	interrupt_catch();
}

bool interrupted(void)
{
	return n_interrupts > 0;
}

bool interrupted_twice(void)
{
	return n_interrupts > 1;
}
