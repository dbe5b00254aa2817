/* SPDX-License-Identifier: MIT */
/*
 * Owns the SSL_CTX, and knows which state of its files it was made from: a renewed certificate is
 * used from the next connection on. Loading the system's authorities takes 10 ms and more, so a
 * thousand connections at once load them once.
 *
 * Invariant: a context that works is replaced only by another one that works: a renewal is seen
 * when it is half done, with the new certificate beside the old key.
 */
#include "redis/tls_context.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/log.h"

enum { N_FILES = 4, READ_BUFFER_BYTES = 64 * 1024 };

/* Tells one state of a file from the next. All zero: it is not there, or not set. */
struct stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct stamps {
	struct stamp of[N_FILES];
};

struct tls_context {
	SSL_CTX *ctx;
	struct stamps stamps; /* as of the last load, which may have failed */
};

static struct stamp stamp_of(const char *path)
{
	struct stat st;

	if (!path || stat(path, &st) != 0)
		return (struct stamp){ 0 };
	return (struct stamp){ .device = st.st_dev,
		.inode = st.st_ino,
		.size = st.st_size,
		.changed = st.st_mtim };
}

static const char *key_path(const struct tls_settings *s)
{
	return s->key_file ? s->key_file : s->cert_file;
}

static struct stamps stamps_of(const struct tls_settings *s)
{
	return (struct stamps){
		{ stamp_of(s->ca_file), stamp_of(s->ca_dir), stamp_of(s->cert_file),
		    stamp_of(key_path(s)) },
	};
}

static bool is_same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool is_same(const struct stamps *a, const struct stamps *b)
{
	for (size_t i = 0; i < N_FILES; i++) {
		if (!is_same_stamp(&a->of[i], &b->of[i]))
			return false;
	}
	return true;
}

/* A daemon has no terminal at which to ask for a passphrase. */
static int on_passphrase(char *buf, int size, int writing, void *data)
{
	bool *asked = data;

	(void)writing;
	*asked = true;
	memset(buf, 0, (size_t)size);
	return -1;
}

static int cannot_load(const char *key, const char *path, struct fault *ret_fault)
{
	unsigned long error = ERR_peek_error();
	const char *why = ERR_reason_error_string(error);

	if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
		why = "there is no PEM in it";
	else if (ERR_GET_LIB(error) == ERR_LIB_SYS)
		why = strerror(ERR_GET_REASON(error));
	fault_set_lasting(ret_fault, "%s: %s: %s", key, path, why ? why : "cannot be loaded");
	return -EINVAL;
}

static int load_key(SSL_CTX *ctx, const char *path, struct fault *ret_fault)
{
	bool has_passphrase = false;

	SSL_CTX_set_default_passwd_cb(ctx, on_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &has_passphrase);
	if (SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1)
		return 0;
	if (has_passphrase)
		fault_set_lasting(ret_fault, "tls.key_file: %s: it is protected by a passphrase",
		    path);
	return cannot_load("tls.key_file", path, ret_fault);
}

static int load_certificate(SSL_CTX *ctx, const struct tls_settings *s, struct fault *ret_fault)
{
	if (!s->cert_file)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, s->cert_file) != 1)
		return cannot_load("tls.cert_file", s->cert_file, ret_fault);
	return load_key(ctx, key_path(s), ret_fault);
}

static int load_authorities(SSL_CTX *ctx, const struct tls_settings *s, struct fault *ret_fault)
{
	if (!s->verify)
		return 0;
	if (!s->ca_file && !s->ca_dir) {
		if (SSL_CTX_set_default_verify_paths(ctx) != 1)
			return cannot_load("tls", "the system's authorities", ret_fault);
		return 0;
	}
	if (s->ca_file && SSL_CTX_load_verify_locations(ctx, s->ca_file, NULL) != 1)
		return cannot_load("tls.ca_file", s->ca_file, ret_fault);
	if (s->ca_dir && SSL_CTX_load_verify_locations(ctx, NULL, s->ca_dir) != 1)
		return cannot_load("tls.ca_dir", s->ca_dir, ret_fault);
	return 0;
}

static void set_modes(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
	/* A server that is killed says no goodbye; what is cut short, the decoder sees. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
	/* The output grows, and so moves, while some of it waits to be sent. */
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Several records come by one system call; idle connections keep no buffers. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_BUFFER_BYTES);
}

static int load(const struct tls_settings *s, SSL_CTX **ret_ctx, struct fault *ret_fault)
{
	SSL_CTX *ctx;
	int r;

	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx)
		return cannot_load("tls", "OpenSSL", ret_fault);
	set_modes(ctx);
	r = load_certificate(ctx, s, ret_fault);
	if (!r)
		r = load_authorities(ctx, s, ret_fault);
	if (r)
		SSL_CTX_free(ctx);
	else
		*ret_ctx = ctx;
	return r;
}

static int refresh(struct tls_context *c, const struct tls_settings *s, struct fault *ret_fault)
{
	/* Taken before the load: a file that changes during it is loaded again. */
	struct stamps now = stamps_of(s);
	SSL_CTX *fresh = NULL;

	if (c->ctx && is_same(&c->stamps, &now))
		return 0;
	c->stamps = now;
	if (load(s, &fresh, ret_fault) == 0) {
		SSL_CTX_free(c->ctx);
		c->ctx = fresh;
		return 0;
	}
	if (!c->ctx)
		return -EINVAL;
	log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, NULL,
	    "cannot use the TLS files that have changed, and goes on with the former ones: %s",
	    ret_fault->why);
	*ret_fault = (struct fault){ .why = "" };
	return 0;
}

int tls_context_get(const struct tls_spec *spec, SSL_CTX **ret_ctx, struct fault *ret_fault)
{
	struct tls_context *c = *spec->context;

	if (!c)
		c = *spec->context = xcalloc(1, sizeof(*c));
	if (refresh(c, spec->settings, ret_fault))
		return -EINVAL;
	*ret_ctx = c->ctx;
	return 0;
}

void tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}
