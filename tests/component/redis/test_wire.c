/* SPDX-License-Identifier: MIT */
/* A wire with TLS: what the library holds back, and directions that wait for each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "redis/wire.h"

#if SLUICED_HAVE_TLS

#include <openssl/ec.h>
#include <openssl/ssl.h>

enum { BOUND_MS = 10000, RECORD = 1000, RECORD_IN_SOCKET = RECORD + 22 };

/* ---- the server: a process with blocking calls */

static EVP_PKEY *make_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	EVP_PKEY_keygen_init(ctx);
	EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1);
	EVP_PKEY_keygen(ctx, &key);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static SSL *accept_on(int fd, int max_version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = make_key();
	X509 *certificate = X509_new();
	SSL *ssl;

	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, certificate);
	SSL_CTX_use_PrivateKey(ctx, key);
	SSL_CTX_set_max_proto_version(ctx, max_version);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	return SSL_accept(ssl) == 1 ? ssl : NULL;
}

static void send_records(SSL *ssl, size_t n)
{
	static const char bytes[RECORD];

	while (n--)
		SSL_write(ssl, bytes, sizeof(bytes));
}

/* Until the other side has closed. Answers when the wanted bytes are there. */
static void read_all(SSL *ssl, size_t wanted)
{
	char bytes[4096];
	size_t len = 0;
	int n;

	while ((n = SSL_read(ssl, bytes, sizeof(bytes))) > 0) {
		len += (size_t)n;
		if (len == wanted)
			send_records(ssl, 1);
	}
	_exit(len == wanted ? 0 : 1);
}

/* ---- the client */

struct side {
	struct loop *loop;
	struct wire wire;
	struct tls_context *context;
	struct tls_settings settings;
	ev_timer bound;
	pid_t server;
	size_t n_wait_for; /* in the socket, before anything is received */
	size_t n_to_send;
	size_t n_wanted, n_received;
	bool out_of_time;
	struct fault fault;
	struct buf spare_out;
};

static void wait_for_input(const struct side *s)
{
	int n = 0;

	for (int i = 0; i < BOUND_MS && (size_t)n < s->n_wait_for; i++) {
		ioctl(s->wire.fd, FIONREAD, &n);
		usleep(1000);
	}
	assert_true((size_t)n >= s->n_wait_for);
}

static void on_secure(void *owner)
{
	struct side *s = owner;

	if (s->n_to_send) {
		memset(buf_reserve(wire_out(&s->wire), s->n_to_send), 'x', s->n_to_send);
		buf_added(wire_out(&s->wire), s->n_to_send);
		wire_flush(&s->wire);
	}
	wait_for_input(s);
}

static bool on_bytes(void *owner, const char *bytes, size_t len)
{
	struct side *s = owner;

	(void)bytes;
	s->n_received += len;
	if (s->n_received >= s->n_wanted)
		loop_stop(s->loop);
	return true;
}

static void on_broken(void *owner, const struct fault *fault)
{
	struct side *s = owner;

	s->fault = *fault;
	wire_close(&s->wire);
	loop_stop(s->loop);
}

static void on_bound(struct ev_loop *ev, ev_timer *w, int events)
{
	struct side *s = w->data;

	(void)ev;
	(void)events;
	s->out_of_time = true;
	loop_stop(s->loop);
}

static void start(struct side *s, void (*serve)(int fd))
{
	int fds[2], size = 1 << 20;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	s->server = fork();
	if (!s->server) {
		close(fds[0]);
		alarm(2 * BOUND_MS / 1000);
		serve(fds[1]);
		_exit(2);
	}
	close(fds[1]);
	ioctl(fds[0], FIONBIO, &(int){ 1 });
	s->loop = loop_new();
	s->wire = (struct wire){ .loop = s->loop,
		.owner = s,
		.on_secure = on_secure,
		.on_bytes = on_bytes,
		.on_broken = on_broken,
		.spare_out = &s->spare_out };
	wire_init(&s->wire);
	wire_open_tls(&s->wire, fds[0],
	    &(struct tls_spec){ &s->context, &s->settings, "localhost" });
}

static void run(struct side *s)
{
	ev_init(&s->bound, on_bound);
	s->bound.data = s;
	loop_timer_in(s->loop, &s->bound, BOUND_MS);
	loop_run(s->loop);
	ev_timer_stop(loop_ev(s->loop), &s->bound);
	assert_string_equal(s->fault.why, "");
	assert_false(s->out_of_time);
	assert_int_equal(s->n_received, s->n_wanted);
}

static void finish(struct side *s)
{
	int status;

	wire_close(&s->wire);
	assert_int_equal(waitpid(s->server, &status, 0), s->server);
	assert_int_equal(status, 0);
	tls_context_free(s->context);
	buf_done(&s->spare_out);
	loop_free(s->loop);
}

/* ---- tests */

/* More than is received in a turn: the rest, which is no whole number of records, is with the
 * library then, and the socket is empty. */
enum { N_BURST = 4 * LOOP_SCRATCH_BYTES / RECORD + 4 };

static void serve_burst(int fd)
{
	SSL *ssl = accept_on(fd, TLS1_3_VERSION);

	send_records(ssl, N_BURST);
	read_all(ssl, 0);
}

static void test_end_of_a_burst(void **state)
{
	struct side s = { .n_wanted = N_BURST * RECORD, .n_wait_for = N_BURST * RECORD_IN_SOCKET };

	(void)state;
	start(&s, serve_burst);
	run(&s);
	finish(&s);
}

enum { N_TO_SEND = 2 << 20, N_ASIDE = 64 };

static void renew_keys(SSL *ssl, int kind)
{
	for (int i = 0; i < 4; i++) {
		send_records(ssl, N_ASIDE);
		SSL_key_update(ssl, kind);
	}
}

static void serve_new_keys(int fd)
{
	SSL *ssl = accept_on(fd, TLS1_3_VERSION);

	renew_keys(ssl, SSL_KEY_UPDATE_REQUESTED);
	send_records(ssl, 1);
	read_all(ssl, 0);
}

static void test_new_keys(void **state)
{
	struct side s = { .n_wanted = (4 * N_ASIDE + 1) * RECORD };

	(void)state;
	start(&s, serve_new_keys);
	run(&s);
	finish(&s);
}

/* Reads nothing before all of its own is sent. It does not ask for new keys in return: OpenSSL 3.0
 * fails with "bad length" when it is to answer that in the middle of a write. */
static void serve_before_reading(int fd)
{
	SSL *ssl = accept_on(fd, TLS1_3_VERSION);

	renew_keys(ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
	read_all(ssl, N_TO_SEND);
}

static void test_receiving_while_the_output_is_stuck(void **state)
{
	struct side s = { .n_wanted = (4 * N_ASIDE + 1) * RECORD, .n_to_send = N_TO_SEND };

	(void)state;
	start(&s, serve_before_reading);
	run(&s);
	finish(&s);
}

static void serve_old_version(int fd)
{
	SSL *ssl = accept_on(fd, TLS1_2_VERSION);

	send_records(ssl, N_ASIDE);
	read_all(ssl, N_TO_SEND);
}

static void test_tls_1_2(void **state)
{
	struct side s = { .n_wanted = (N_ASIDE + 1) * RECORD, .n_to_send = N_TO_SEND };

	(void)state;
	start(&s, serve_old_version);
	run(&s);
	finish(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end_of_a_burst),
		cmocka_unit_test(test_new_keys),
		cmocka_unit_test(test_receiving_while_the_output_is_stuck),
		cmocka_unit_test(test_tls_1_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("1..0 # SKIP this build has no TLS");
	return 0;
}

#endif
