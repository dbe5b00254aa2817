/* SPDX-License-Identifier: MIT */
/* Which inherited socket is for which address. */
#include "daemon/activation.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"

enum { FIRST_FD = 3 };

static char folder[] = "/tmp/test_activation.XXXXXX";

static int bound(int family, int type, const void *address, socklen_t len)
{
	int fd = socket(family, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, address, len), 0);
	return fd;
}

static int unix_socket(const char *name, int type)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", folder, name);
	unlink(un.sun_path);
	return bound(AF_UNIX, type, &un, sizeof(un));
}

/* At a port of its own, which goes to *port. */
static int v4_socket(uint32_t host, unsigned *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(host) };
	socklen_t len = sizeof(in);
	int fd = bound(AF_INET, SOCK_STREAM, &in, sizeof(in));

	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*port = ntohs(in.sin_port);
	return fd;
}

static int v6_socket(struct in6_addr host, unsigned *port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = host };
	socklen_t len = sizeof(in6);
	int fd = bound(AF_INET6, SOCK_STREAM, &in6, sizeof(in6));

	assert_int_equal(getsockname(fd, (struct sockaddr *)&in6, &len), 0);
	*port = ntohs(in6.sin6_port);
	return fd;
}

/* Puts them where a service manager does, and listens. */
static void inherit(const int *sockets, int n)
{
	char text[24];
	int high[8];

	/* First out of the way of each other. */
	for (int i = 0; i < n; i++) {
		high[i] = fcntl(sockets[i], F_DUPFD, 100);
		close(sockets[i]);
	}
	for (int i = 0; i < n; i++) {
		(void)listen(high[i], 5);
		assert_int_equal(dup2(high[i], FIRST_FD + i), FIRST_FD + i);
		close(high[i]);
	}
	snprintf(text, sizeof(text), "%d", n);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
}

static void give_back(int n)
{
	activation_close_unused();
	for (int i = 0; i < n; i++)
		close(FIRST_FD + i);
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
}

static int take(const char *format, ...)
{
	char address[300];
	va_list args;

	va_start(args, format);
	vsnprintf(address, sizeof(address), format, args);
	va_end(args);
	return activation_take(address);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_by_path(void **unused)
{
	const int sockets[] = { unix_socket("a", SOCK_STREAM), unix_socket("b", SOCK_STREAM) };

	(void)unused;
	inherit(sockets, 2);
	activation_init();
	assert_int_equal(fcntl(FIRST_FD, F_GETFD), FD_CLOEXEC);
	assert_int_equal(take("unix:%s/c", folder), -1);
	assert_int_equal(take("unix:%s/", folder), -1);
	assert_int_equal(take("unix:%s/b?mode=0660&group=x", folder), FIRST_FD + 1);
	assert_int_equal(take("unix:%s/b", folder), -1);
	assert_int_equal(take("unix:%s/../%s/a", folder, strrchr(folder, '/') + 1), FIRST_FD);
	assert_int_equal(fcntl(FIRST_FD, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	activation_close_unused();
	assert_true(is_open(FIRST_FD));
	assert_true(is_open(FIRST_FD + 1));
	give_back(2);
}

static void test_what_is_no_listening_stream_socket(void **unused)
{
	const int sockets[] = { unix_socket("a", SOCK_DGRAM), open("/dev/null", O_RDWR) };

	(void)unused;
	inherit(sockets, 2);
	activation_init();
	assert_int_equal(take("unix:%s/a", folder), -1);
	activation_close_unused();
	assert_false(is_open(FIRST_FD));
	assert_false(is_open(FIRST_FD + 1));
	give_back(2);
}

static const struct {
	uint32_t bound;
	const char *host;
	bool is_it;
} v4[] = {
	{ INADDR_LOOPBACK, "127.0.0.1", true },
	{ INADDR_LOOPBACK, "localhost", true },
	{ INADDR_LOOPBACK, "127.0.0.2", false },
	{ INADDR_LOOPBACK, "0.0.0.0", false },
	{ INADDR_LOOPBACK, "[::1]", false },
	{ INADDR_LOOPBACK, "[127.0.0.1]", true },
	{ INADDR_LOOPBACK, "example.org", false },
	{ INADDR_ANY, "0.0.0.0", true },
	{ INADDR_ANY, "127.0.0.1", false },
	{ INADDR_ANY, "[::]", false },
};

static void test_by_v4_address(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(v4); i++) {
		unsigned port;
		const int s = v4_socket(v4[i].bound, &port);

		inherit(&s, 1);
		activation_init();
		assert_int_equal(take("%s:%u", v4[i].host, port + 1), -1);
		assert_int_equal(take("%s:%u", v4[i].host, port), v4[i].is_it ? FIRST_FD : -1);
		give_back(1);
	}
}

static const struct {
	bool any; /* else ::1 */
	const char *host;
	bool is_it;
} v6[] = {
	{ false, "[::1]", true },
	{ false, "[0:0::1]", true },
	{ false, "localhost", true },
	{ false, "127.0.0.1", false },
	{ false, "[::]", false },
	{ true, "[::]", true },
	{ true, "0.0.0.0", true },
	{ true, "[::1]", false },
	{ true, "127.0.0.1", false },
};

static bool has_v6(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool bindable = fd >= 0 && bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd >= 0)
		close(fd);
	return bindable;
}

static void test_by_v6_address(void **unused)
{
	(void)unused;
	if (!has_v6())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(v6); i++) {
		unsigned port;
		const int s = v6_socket(v6[i].any ? in6addr_any : in6addr_loopback, &port);

		inherit(&s, 1);
		activation_init();
		assert_int_equal(take("%s:%u", v6[i].host, port), v6[i].is_it ? FIRST_FD : -1);
		give_back(1);
	}
}

static const struct {
	const char *fds, *pid; /* NULL: ours */
} foreign[] = {
	{ "1", "1" },
	{ "1", "" },
	{ "1", "x" },
	{ "x", NULL },
	{ "-1", NULL },
	{ "0", NULL },
	{ "", NULL },
};

static void test_not_ours(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		const int s = unix_socket("a", SOCK_STREAM);

		inherit(&s, 1);
		setenv("LISTEN_FDS", foreign[i].fds, 1);
		if (foreign[i].pid)
			setenv("LISTEN_PID", foreign[i].pid, 1);
		activation_init();
		assert_int_equal(take("unix:%s/a", folder), -1);
		activation_close_unused();
		assert_true(is_open(FIRST_FD));
		give_back(1);
	}
}

/* More than there are: none of them is made up. */
static void test_count_that_is_wrong(void **unused)
{
	const int s = unix_socket("a", SOCK_STREAM);

	(void)unused;
	inherit(&s, 1);
	setenv("LISTEN_FDS", "18446744073709551615", 1);
	activation_init();
	assert_int_equal(take("unix:%s/a", folder), FIRST_FD);
	give_back(1);
}

static int make_folder(void **unused)
{
	(void)unused;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **unused)
{
	char path[64];

	(void)unused;
	for (const char *name = "ab"; *name; name++) {
		snprintf(path, sizeof(path), "%s/%c", folder, *name);
		unlink(path);
	}
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_path),
		cmocka_unit_test(test_what_is_no_listening_stream_socket),
		cmocka_unit_test(test_by_v4_address),
		cmocka_unit_test(test_by_v6_address),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_count_that_is_wrong),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
