/* SPDX-License-Identifier: MIT */
/*
 * Owns the inherited sockets until somebody takes them. The process has one set of them, so there
 * is one: descriptors from 3 on, named by LISTEN_FDS, and ours only when LISTEN_PID says so.
 */
#include "daemon/activation.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/parse.h"

enum { FIRST_FD = 3, MAX_FDS = 64 };

static struct {
	int fds[MAX_FDS]; /* -1: taken */
	unsigned n;
} inherited;

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static uint64_t variable(const char *name)
{
	const char *text = getenv(name);
	uint64_t value;

	return text && parse_u64(slice_of(text), &value) == 0 ? value : 0;
}

void activation_init(void)
{
	uint64_t n = variable("LISTEN_FDS");

	if (variable("LISTEN_PID") != (uint64_t)getpid())
		return;
	for (int fd = FIRST_FD; n && fd < FIRST_FD + MAX_FDS; fd++, n--) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			inherited.fds[inherited.n++] = fd;
	}
}

static bool option_is(int fd, int option, int wanted)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

/* A path may lead to the same file by another name, as /var/run does. */
static bool is_same_file(const char *a, const char *b)
{
	struct stat of_a, of_b;

	return stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
	       of_a.st_ino == of_b.st_ino;
}

static bool is_at_path(const union address *bound, const char *text)
{
	const size_t len = strcspn(text, "?");
	char path[sizeof(bound->un.sun_path) + 1] = "";

	if (bound->any.sa_family != AF_UNIX || !bound->un.sun_path[0] || len >= sizeof(path))
		return false;
	memcpy(path, text, len);
	return strcmp(bound->un.sun_path, path) == 0 || is_same_file(bound->un.sun_path, path);
}

static bool is_at_v4(const union address *bound, const char *host)
{
	struct in_addr wanted;

	if (inet_pton(AF_INET, host, &wanted) != 1)
		return false;
	if (bound->any.sa_family == AF_INET)
		return bound->in.sin_addr.s_addr == wanted.s_addr;
	/* ListenStream=PORT makes one socket for both families. */
	return wanted.s_addr == INADDR_ANY && IN6_IS_ADDR_UNSPECIFIED(&bound->in6.sin6_addr);
}

static bool is_at_v6(const union address *bound, const char *host)
{
	struct in6_addr wanted;

	return bound->any.sa_family == AF_INET6 && inet_pton(AF_INET6, host, &wanted) == 1 &&
	       memcmp(&bound->in6.sin6_addr, &wanted, sizeof(wanted)) == 0;
}

static bool is_at_host(const union address *bound, const char *host)
{
	if (strcmp(host, "localhost") == 0)
		return is_at_v4(bound, "127.0.0.1") || is_at_v6(bound, "::1");
	return is_at_v4(bound, host) || is_at_v6(bound, host);
}

static bool is_at_host_port(const union address *bound, const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	char host[256];
	uint64_t port;

	if (bound->any.sa_family != AF_INET && bound->any.sa_family != AF_INET6)
		return false;
	/* The port is at the same place in both. */
	if (!len || len >= sizeof(host) || parse_u64(slice_of(colon + 1), &port) ||
	    port != ntohs(bound->in.sin_port))
		return false;
	if (text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	memcpy(host, text, len);
	host[len] = '\0';
	return is_at_host(bound, host);
}

static bool is_at(int fd, const char *listen_address)
{
	union address bound = { .un = { 0 } };
	socklen_t len = sizeof(bound);

	if (!option_is(fd, SO_TYPE, SOCK_STREAM) || !option_is(fd, SO_ACCEPTCONN, 1) ||
	    getsockname(fd, &bound.any, &len))
		return false;
	if (strncmp(listen_address, "unix:", 5) == 0)
		return is_at_path(&bound, listen_address + 5);
	return is_at_host_port(&bound, listen_address);
}

int activation_take(const char *listen_address)
{
	for (unsigned i = 0; i < inherited.n; i++) {
		int fd = inherited.fds[i];

		if (fd < 0 || !is_at(fd, listen_address))
			continue;
		inherited.fds[i] = -1;
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		return fd;
	}
	return -1;
}

void activation_close_unused(void)
{
	for (unsigned i = 0; i < inherited.n; i++) {
		if (inherited.fds[i] < 0)
			continue;
		log_event(LEVEL_WARNING, EVENT_CONFIG_WARNING, NULL,
		    "the service manager has passed descriptor %d, which is no socket of "
		    "daemon.listen: it is closed",
		    inherited.fds[i]);
		close(inherited.fds[i]);
	}
	inherited.n = 0;
}
