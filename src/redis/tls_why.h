/* SPDX-License-Identifier: MIT */
/* What went wrong with TLS, in the words of somebody who has to mend it. */
#ifndef SLUICED_REDIS_TLS_WHY_H
#define SLUICED_REDIS_TLS_WHY_H

#include <openssl/x509.h>

#include "redis/tls.h"

/* Of an error in OpenSSL's queue. */
void tls_why_error(unsigned long error, struct fault *ret_fault);

/* Of a certificate that is not accepted; name is what the server's should carry. */
void tls_why_certificate(X509_STORE_CTX *store, const char *name, struct fault *ret_fault);

#endif
