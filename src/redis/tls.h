/* SPDX-License-Identifier: MIT */
/*
 * TLS over a connected, non-blocking socket. A build without OpenSSL has these functions too
 * (tls_none.c): there every connection is refused.
 */
#ifndef SLUICED_REDIS_TLS_H
#define SLUICED_REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "core/settings.h"
#include "redis/fault.h"

/* What connections with the same settings share: authorities, certificate, key, sessions. */
struct tls_context;

/* One connection. */
struct tls;

struct tls_spec {
	struct tls_context **context; /* starts as NULL; the caller's, until tls_context_free() */
	const struct tls_settings *settings;
	const char *host; /* what was connected to; borrowed for the call */
};

/* What a send, a receive or a handshake says instead of a number of bytes. TLS may have to read in
 * order to send, and to send in order to read. */
enum { TLS_WANTS_READ = -1, TLS_WANTS_WRITE = -2, TLS_BROKEN = -3 };

/* The library's name and version; NULL for a build without TLS. */
const char *tls_library(void);

/* Reads the files again that have changed since the last connection. The socket stays the
 * caller's. 0, or -EINVAL with *ret_fault, which was not set. */
int tls_new(const struct tls_spec *spec, int fd, struct tls **ret_tls,
    struct fault *ret_fault) MUST_CHECK;

/* Says goodbye to the server where that is possible. NULL is allowed. */
void tls_free(struct tls *t);

/* 0 when the connection is secure and the server is who it should be. */
int tls_handshake(struct tls *t) MUST_CHECK;

/* Bytes taken. After TLS_WANTS_* the next call has these bytes again, or more behind them. */
ssize_t tls_send(struct tls *t, const void *data, size_t len) MUST_CHECK;

ssize_t tls_recv(struct tls *t, void *data, size_t size) MUST_CHECK;

/* Is there more to receive than the socket knows of? */
bool tls_holds_more(const struct tls *t);

/* Why it is broken. */
const struct fault *tls_fault(const struct tls *t);

/* NULL is allowed. Connections may outlive it. */
void tls_context_free(struct tls_context *c);

#endif
