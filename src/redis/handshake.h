/* SPDX-License-Identifier: MIT */
/* What is said on a new connection before anything else: AUTH, SELECT, our name, with Sentinels
 * ROLE, and a PING whose answer shows that the server serves. */
#ifndef SLUICED_REDIS_HANDSHAKE_H
#define SLUICED_REDIS_HANDSHAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "core/settings.h"
#include "redis/conn.h"
#include "redis/fault.h"

struct handshake {
	struct conn *conn;
	struct sentinels *sentinels; /* NULL: none */
	/* The last reply has come; `fault` tells how it went. */
	void (*on_done)(struct conn *c);

	struct fault fault; /* set: it has failed */
	uint64_t client_id; /* Redis' number of the connection; 0: not told */
};

/* conn, sentinels and on_done are set by the caller. 0, or -errno with `fault` set when the
 * password could not be read. */
int handshake_start(struct handshake *h, const struct redis_settings *settings,
    const char *client_name) MUST_CHECK;

/* Does this reply to ROLE come from a primary? */
bool handshake_role_is_primary(const struct reply *r);

#endif
