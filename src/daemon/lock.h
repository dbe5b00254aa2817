/* SPDX-License-Identifier: MIT */
/*
 * One daemon an instance: two with the same consumer names would take each other's running entries
 * for their own, left over.
 */
#ifndef SLUICED_DAEMON_LOCK_H
#define SLUICED_DAEMON_LOCK_H

#include "base/compiler.h"

/*
 * Makes the runtime directory if need be (mode 0700) and locks it. 0 with a descriptor that holds
 * the lock until it is closed, or -errno with *ret_why (static text): -EWOULDBLOCK when another
 * daemon has it.
 */
int lock_take(const char *runtime_dir, int *ret_fd, const char **ret_why) MUST_CHECK;

#endif
