/* SPDX-License-Identifier: MIT */
/* TLS for a build without OpenSSL: none. The configuration refuses it before anybody gets here. */
#include <errno.h>
#include <stdio.h>

#include "redis/tls.h"

static const struct fault no_tls = { "this build has no TLS", true };

const char *tls_library(void)
{
	return NULL;
}

int tls_new(const struct tls_spec *spec, int fd, struct tls **ret_tls, struct fault *ret_fault)
{
	(void)spec;
	(void)fd;
	(void)ret_tls;
	*ret_fault = no_tls;
	return -EINVAL;
}

void tls_free(struct tls *t)
{
	(void)t;
}

int tls_handshake(struct tls *t)
{
	(void)t;
	return TLS_BROKEN;
}

ssize_t tls_send(struct tls *t, const void *data, size_t len)
{
	(void)t;
	(void)data;
	(void)len;
	return TLS_BROKEN;
}

ssize_t tls_recv(struct tls *t, void *data, size_t size)
{
	(void)t;
	(void)data;
	(void)size;
	return TLS_BROKEN;
}

bool tls_holds_more(const struct tls *t)
{
	(void)t;
	return false;
}

const struct fault *tls_fault(const struct tls *t)
{
	(void)t;
	return &no_tls;
}

void tls_context_free(struct tls_context *c)
{
	(void)c;
}
