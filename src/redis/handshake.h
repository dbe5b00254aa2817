/* SPDX-License-Identifier: MIT */
/* What is said on a new connection before anything else: AUTH, SELECT, our name, and a PING whose
 * answer shows that the server serves. */
#ifndef SLUICED_REDIS_HANDSHAKE_H
#define SLUICED_REDIS_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "core/settings.h"
#include "redis/conn.h"

enum { HANDSHAKE_WHY_SIZE = 256 };

struct handshake {
	struct conn *conn;
	/* The last reply has come; failed() tells how it went. */
	void (*on_done)(struct conn *c);

	char why[HANDSHAKE_WHY_SIZE]; /* not empty: it has failed, for this reason */
	bool needs_person;            /* for a reason that only a person can mend */
	uint64_t client_id;           /* Redis' number of the connection; 0: not told */
};

/* conn and on_done are set by the caller. 0, or -errno with `why` set when the password could not
 * be read. */
int handshake_start(struct handshake *h, const struct redis_settings *settings,
    const char *client_name) MUST_CHECK;

#endif
