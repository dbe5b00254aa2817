/* SPDX-License-Identifier: MIT */
/*
 * Owns the SSL of one connection. The socket is not its own, and it never waits.
 *
 * Invariant: after a failure nothing is sent or received any more, and `fault` says why. A failure
 * that is found behind bytes which came first is told by the next call.
 */
#include "redis/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "redis/tls_context.h"
#include "redis/tls_why.h"

struct tls {
	SSL *ssl;
	char *name; /* that the server's certificate must carry */
	bool is_secure;
	bool is_drained;       /* the socket had no more to give at the last receive */
	bool is_heard;         /* the server has sent something that is not TLS' own */
	bool asked_who_we_are; /* for a certificate, and there is none */
	struct fault fault;    /* set: it is broken */
};

const char *tls_library(void)
{
	static char text[40];
	const char *full = OpenSSL_version(OPENSSL_VERSION);
	size_t name_len = strcspn(full, " ");
	size_t version_len = full[name_len] ? strcspn(full + name_len + 1, " ") : 0;

	/* "OpenSSL 3.0.15 3 Sep 2024": the date is not of interest. */
	snprintf(text, sizeof(text), "%.*s", (int)(name_len + 1 + version_len), full);
	return text;
}

/* ---- faults */

/* The alert with which a server refuses a connection may be overtaken by the closing of it. */
static void set_closed(struct tls *t, const char *why)
{
	const char *when = t->is_secure ? "" : " during the TLS handshake";

	if (t->asked_who_we_are && !t->is_heard)
		fault_set_lasting(&t->fault,
		    "%s%s: the server had asked for a client certificate (tls.cert_file)", why,
		    when);
	else
		fault_set(&t->fault, "%s%s", why, when);
}

/* What SSL_get_error() makes of a call that has failed. */
static int outcome(struct tls *t, int result)
{
	int error = errno;

	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANTS_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANTS_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		set_closed(t, "closed by the server");
		break;
	case SSL_ERROR_SYSCALL:
		set_closed(t, error ? strerror(error) : "closed by the server");
		break;
	default:
		tls_why_error(ERR_peek_error(), &t->fault);
	}
	return TLS_BROKEN;
}

/* Each call is judged by the errors that it leaves behind itself. */
static void forget_errors(void)
{
	ERR_clear_error();
	errno = 0;
}

/* ---- who the server is, and who we are */

static int on_certificate(int is_good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);

	if (!is_good)
		tls_why_certificate(store, t->name, &t->fault);
	return is_good;
}

static int on_certificate_asked(SSL *ssl, void *arg)
{
	struct tls *t = arg;

	t->asked_who_we_are = !SSL_get_certificate(ssl);
	return 1;
}

static bool is_address(const char *name)
{
	struct in6_addr any;

	return inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;
}

/* Only names are told to the server: an address is no SNI. */
static int expect_name(struct tls *t)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);

	if (is_address(t->name))
		return X509_VERIFY_PARAM_set1_ip_asc(param, t->name);
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(t->ssl, t->name) == 1 && SSL_set_tlsext_host_name(t->ssl, t->name);
}

/* ---- public */

static int set_up(struct tls *t, bool verify, int fd)
{
	SSL_set_app_data(t->ssl, t);
	SSL_set_verify(t->ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
	    verify ? on_certificate : NULL);
	SSL_set_cert_cb(t->ssl, on_certificate_asked, t);
	SSL_set_connect_state(t->ssl);
	return SSL_set_fd(t->ssl, fd) == 1 && expect_name(t) == 1 ? 0 : -EINVAL;
}

int tls_new(const struct tls_spec *spec, int fd, struct tls **ret_tls, struct fault *ret_fault)
{
	const struct tls_settings *s = spec->settings;
	struct tls *t;
	SSL_CTX *ctx;

	if (tls_context_get(spec, &ctx, ret_fault))
		return -EINVAL;
	t = xcalloc(1, sizeof(*t));
	t->name = xstrdup(s->server_name ? s->server_name : spec->host);
	t->ssl = SSL_new(ctx);
	if (!t->ssl || set_up(t, s->verify, fd)) {
		tls_why_error(ERR_peek_error(), ret_fault);
		tls_free(t);
		return -EINVAL;
	}
	*ret_tls = t;
	return 0;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	ERR_clear_error();
	if (t->is_secure && !fault_is_set(&t->fault))
		SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	ERR_clear_error();
	free(t->name);
	free(t);
}

int tls_handshake(struct tls *t)
{
	int r;

	forget_errors();
	r = SSL_do_handshake(t->ssl);
	if (r != 1)
		return outcome(t, r);
	t->is_secure = true;
	return 0;
}

ssize_t tls_send(struct tls *t, const void *data, size_t len)
{
	int r;

	if (fault_is_set(&t->fault))
		return TLS_BROKEN;
	forget_errors();
	r = SSL_write(t->ssl, data, len > INT_MAX ? INT_MAX : (int)len);
	return r > 0 ? r : outcome(t, r);
}

/* A record holds 16 KiB at most: as many as there is room for. */
ssize_t tls_recv(struct tls *t, void *data, size_t size)
{
	size_t len = 0;
	int r = 1;

	assert(size <= INT_MAX);
	if (fault_is_set(&t->fault))
		return TLS_BROKEN;
	while (len < size && r > 0) {
		forget_errors();
		r = SSL_read(t->ssl, (char *)data + len, (int)(size - len));
		if (r > 0)
			len += (size_t)r;
		else
			r = outcome(t, r);
	}
	t->is_drained = r == TLS_WANTS_READ;
	t->is_heard |= len > 0;
	return len ? (ssize_t)len : r;
}

bool tls_holds_more(const struct tls *t)
{
	return !t->is_drained;
}

const struct fault *tls_fault(const struct tls *t)
{
	return &t->fault;
}
