/* SPDX-License-Identifier: MIT */
/*
 * The file of a unix socket has its final mode from the moment it is there, and nobody can connect
 * before listen(). One that is there already is removed only when nobody answers on it: a daemon
 * that was killed has left it behind.
 */
#include "control/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"

enum { BACKLOG = 512 };

/* ---- unix:PATH ---- */

struct socket_file {
	struct sockaddr_un address;
	mode_t mode;
	gid_t group; /* (gid_t)-1: as it comes */
};

static int find_group(const char *name, gid_t *ret_group, struct buf *ret_why)
{
	const struct group *found = getgrnam(name);

	if (!found) {
		buf_printf(ret_why, "there is no group %s", name);
		return -ENOENT;
	}
	*ret_group = found->gr_gid;
	return 0;
}

/* The configuration has been checked: what stands there is mode= and group=. */
static int read_settings(char *settings, struct socket_file *f, struct buf *ret_why)
{
	char *rest = NULL;

	for (char *word = strtok_r(settings, "&", &rest); word; word = strtok_r(NULL, "&", &rest)) {
		if (strncmp(word, "mode=", 5) == 0)
			f->mode = (mode_t)strtoul(word + 5, NULL, 8);
		else if (find_group(word + strlen("group="), &f->group, ret_why))
			return -ENOENT;
	}
	return 0;
}

static int read_socket_file(const char *text, struct socket_file *f, struct buf *ret_why)
{
	size_t len = strcspn(text, "?");
	char *settings;
	int r = 0;

	*f = (struct socket_file){ .mode = 0600, .group = (gid_t)-1 };
	f->address.sun_family = AF_UNIX;
	if (len >= sizeof(f->address.sun_path))
		return -ENAMETOOLONG;
	memcpy(f->address.sun_path, text, len);
	if (!text[len])
		return 0;
	settings = xstrdup(text + len + 1);
	r = read_settings(settings, f, ret_why);
	free(settings);
	return r;
}

/* A full queue of connections is a sign of life, too. */
static bool somebody_answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answers;

	if (fd < 0)
		return true;
	answers = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	          (errno != ECONNREFUSED && errno != ENOENT);
	close(fd);
	return answers;
}

static int remove_stale(const struct sockaddr_un *address, struct buf *ret_why)
{
	struct stat st;

	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		buf_append_text(ret_why, "there is a file of that name, and it is no socket");
		return -EEXIST;
	}
	if (somebody_answers(address)) {
		buf_append_text(ret_why, "a living process listens on it");
		return -EADDRINUSE;
	}
	return unlink(address->sun_path) && errno != ENOENT ? -errno : 0;
}

static int bind_with_mode(int fd, const struct socket_file *f)
{
	mode_t before = umask(0777 & ~f->mode);
	int r = bind(fd, (const struct sockaddr *)&f->address, sizeof(f->address)) ? -errno : 0;

	umask(before);
	return r;
}

static int bind_file(int fd, const struct socket_file *f, struct buf *ret_why)
{
	int r = bind_with_mode(fd, f);

	if (r == -EADDRINUSE) {
		r = remove_stale(&f->address, ret_why);
		if (!r)
			r = bind_with_mode(fd, f);
	}
	return r;
}

static int finish_file(struct listener *l, const struct socket_file *f)
{
	const char *path = f->address.sun_path;
	struct stat st;

	if (f->group != (gid_t)-1 && lchown(path, (uid_t)-1, f->group))
		return -errno;
	if (lstat(path, &st) || listen(l->fd, BACKLOG))
		return -errno;
	l->path = xstrdup(path);
	l->device = st.st_dev;
	l->inode = st.st_ino;
	return 0;
}

static int open_file(const char *text, struct listener *l, struct buf *ret_why)
{
	struct socket_file f;
	int r = read_socket_file(text, &f, ret_why);

	if (r)
		return r;
	*l = (struct listener){ .is_unix = true };
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -errno;
	r = bind_file(l->fd, &f, ret_why);
	if (!r) {
		r = finish_file(l, &f);
		if (r)
			unlink(f.address.sun_path);
	}
	if (r)
		close(l->fd);
	return r;
}

/* ---- HOST:PORT ---- */

static int bind_and_listen(int fd, const struct addrinfo *at)
{
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* Each address has a socket of its own, 0.0.0.0 and :: included. */
	if (at->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	return bind(fd, at->ai_addr, at->ai_addrlen) || listen(fd, BACKLOG) ? -errno : 0;
}

static int open_address(const struct addrinfo *at, struct listener *l)
{
	int r;

	*l = (struct listener){ 0 };
	l->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol);
	if (l->fd < 0)
		return -errno;
	r = bind_and_listen(l->fd, at);
	if (r)
		close(l->fd);
	return r;
}

/* What the machine does not have, ::1 of localhost where there is no IPv6, is left out. */
static bool is_not_here(int r)
{
	return r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT;
}

static int open_each(const struct addrinfo *first, struct listeners *ret_listeners)
{
	struct listeners ls = { .len = 0 };
	int r = 0, missing = -EADDRNOTAVAIL;

	for (const struct addrinfo *at = first; at && ls.len < LISTENERS_MAX; at = at->ai_next) {
		r = open_address(at, &ls.items[ls.len]);
		if (r && !is_not_here(r))
			break;
		if (r)
			missing = r;
		else
			ls.len++;
	}
	if (r && !is_not_here(r)) {
		while (ls.len)
			listener_close(&ls.items[--ls.len]);
		return r;
	}
	*ret_listeners = ls;
	return ls.len ? 0 : missing;
}

static int open_host_port(const char *where, struct listeners *ret_listeners, struct buf *ret_why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	char *host = xstrdup(where), *port = strrchr(host, ':'), *name = host;
	struct addrinfo *found;
	int r;

	assert(port);
	*port++ = '\0';
	if (*host == '[' && port[-2] == ']') {
		port[-2] = '\0';
		name++;
	}
	r = getaddrinfo(name, port, &hints, &found);
	free(host);
	if (r) {
		buf_append_text(ret_why, gai_strerror(r));
		return -EADDRNOTAVAIL;
	}
	r = open_each(found, ret_listeners);
	freeaddrinfo(found);
	return r;
}

/* ---- either ---- */

int listeners_open(const char *where, struct listeners *ret_listeners, struct buf *ret_why)
{
	int r;

	if (strncmp(where, "unix:", 5) == 0) {
		struct listener l;

		r = open_file(where + 5, &l, ret_why);
		if (!r)
			*ret_listeners = (struct listeners){ .items = { l }, .len = 1 };
	} else {
		r = open_host_port(where, ret_listeners, ret_why);
	}
	if (r && !buf_len(ret_why))
		buf_append_text(ret_why, strerror(-r));
	return r;
}

int listener_adopt(int fd, struct listener *ret_listener)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		return -errno;
	*ret_listener = (struct listener){ .fd = fd, .is_unix = address.ss_family == AF_UNIX };
	return 0;
}

static bool is_still_there(const struct listener *l)
{
	struct stat st;

	return lstat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode;
}

void listener_close(struct listener *l)
{
	if (l->path && is_still_there(l))
		unlink(l->path);
	free(l->path);
	l->path = NULL;
	close(l->fd);
}
