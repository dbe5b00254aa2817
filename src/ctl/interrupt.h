/* SPDX-License-Identifier: MIT */
/* Ctrl-C of a command that wants to end in good order and tell what it has done. */
#ifndef SLUICED_CTL_INTERRUPT_H
#define SLUICED_CTL_INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT and SIGTERM are noted only; a second one ends the program at once. */
void interrupt_catch(void);

/* The same, but the second one is noted only, too: for who has more to end than itself. The third
 * one ends the program. */
void interrupt_catch_two(void);

bool interrupted(void);
bool interrupted_twice(void);

#endif
