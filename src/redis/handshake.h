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
	const struct redis_host *host;
	void (*on_done)(struct conn *c);

	struct fault *fault; /* it has failed, for this; NULL: not so far */
	uint64_t client_id;  /* Redis' number of the connection; 0: not told */
};

/* When the last reply has come on_done is called, which may free it; `fault` tells how it went. */
struct handshake *handshake_new(struct conn *c, const struct redis_host *host,
    void (*on_done)(struct conn *c)) MUST_CHECK;

/* Waits for no reply any more. NULL is allowed. */
void handshake_free(struct handshake *h);

/* 0, or -errno with `fault` set when the password could not be read. */
int handshake_start(struct handshake *h, const char *client_name) MUST_CHECK;

/* Does this reply to ROLE come from a primary? */
bool handshake_role_is_primary(const struct reply *r);

#endif
