/* SPDX-License-Identifier: MIT */
/* What the TLS connections of one configuration share: made once, and again when a file of it has
 * changed. */
#ifndef SLUICED_REDIS_TLS_CONTEXT_H
#define SLUICED_REDIS_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "redis/tls.h"

/* The context for a new connection, which takes a reference of its own (SSL_new does). 0, or
 * -EINVAL with *ret_fault. */
int tls_context_get(const struct tls_spec *spec, SSL_CTX **ret_ctx,
    struct fault *ret_fault) MUST_CHECK;

#endif
