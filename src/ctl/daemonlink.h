/* SPDX-License-Identifier: MIT */
/* HTTP to the daemon's control socket: one request at a time, and nobody need wait for it. */
#ifndef SLUICED_CTL_DAEMONLINK_H
#define SLUICED_CTL_DAEMONLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"

struct daemonlink;

struct daemon_answer {
	unsigned status; /* of HTTP; 0: none came */
	struct buf body;
	struct buf why; /* with status 0: a string that says why, for people */
};

/* Nothing is connected yet. */
struct daemonlink *daemonlink_new(const char *socket_path) MUST_CHECK;
void daemonlink_free(struct daemonlink *l);

const char *daemonlink_path(const struct daemonlink *l);

/* Sends a request, "GET" or "POST" and the path; there is none under way. An answer that takes
 * longer than timeout_ms is none. */
void daemonlink_begin(struct daemonlink *l, const char *method, const char *path,
    uint64_t timeout_ms);
bool daemonlink_is_busy(const struct daemonlink *l);

/* Waits for what is under way, for something to read from one of the descriptors, or until so many
 * ms have passed. Negative descriptors are left out. */
void daemonlink_wait(struct daemonlink *l, const int fds[], size_t n_fds, uint64_t ms);

/* Of the request that is over, until the next one begins. */
const struct daemon_answer *daemonlink_answer(const struct daemonlink *l);

#endif
