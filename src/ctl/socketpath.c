/* SPDX-License-Identifier: MIT */
/*
 * A daemon that was killed leaves its socket behind, so that a file alone says nothing: each is
 * connected to, which costs the daemon nothing.
 */
#include "ctl/socketpath.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"

int socketpath_probe(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
	close(fd);
	/* A queue that is full is somebody's. */
	return r == -EAGAIN ? 0 : r;
}

/* ---- one search */

struct search {
	struct buf *found;
	size_t n_found;
	char *forbidden; /* the first that may not be reached */
};

/* True when somebody listens there. */
static bool look_at(struct search *s, const char *path)
{
	int r = socketpath_probe(path);

	if (r == -EACCES && !s->forbidden)
		s->forbidden = xstrdup(path);
	if (r)
		return false;
	if (s->n_found++)
		buf_append_char(s->found, '\n');
	buf_append_text(s->found, path);
	return true;
}

static bool look_in(struct search *s, const char *directory, const char *below)
{
	char *path = xasprintf("%s/%s%scontrol.sock", directory, below, *below ? "/" : "");
	bool found = look_at(s, path);

	free(path);
	return found;
}

static void look_at_instances(struct search *s, const char *directory)
{
	char *pattern = xasprintf("%s/*/control.sock", directory);
	glob_t found;

	if (glob(pattern, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			look_at(s, found.gl_pathv[i]);
		globfree(&found);
	}
	free(pattern);
}

/* What another user has put into /tmp under our number is not ours. */
static bool is_ours(const char *directory)
{
	struct stat st;

	return lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static void look_at_own(struct search *s, const struct socket_roots *roots, const char *below)
{
	for (size_t i = 0; i < ARRAY_LEN(roots->own) && !s->n_found; i++) {
		if (roots->own[i] && is_ours(roots->own[i]))
			look_in(s, roots->own[i], below);
	}
}

static int finish(struct search *s, const char *first)
{
	int r = s->n_found > 1 ? -EEXIST : s->n_found ? 0 : s->forbidden ? -EACCES : -ENOENT;

	if (!s->n_found)
		buf_append_text(s->found, s->forbidden ? s->forbidden : first);
	buf_append_char(s->found, '\0');
	free(s->forbidden);
	return r;
}

int socketpath_find(const struct socket_roots *roots, struct buf *ret_path)
{
	struct search s = { .found = ret_path };
	char *first = xasprintf("%s/control.sock", roots->system);
	int r;

	if (!look_at(&s, first))
		look_at_instances(&s, roots->system);
	look_at_own(&s, roots, "");
	r = finish(&s, first);
	free(first);
	return r;
}

int socketpath_find_instance(const struct socket_roots *roots, const char *instance,
    struct buf *ret_path)
{
	struct search s = { .found = ret_path };
	char *first = xasprintf("%s/%s/control.sock", roots->system, instance);
	int r;

	if (!look_at(&s, first))
		look_at_own(&s, roots, instance);
	r = finish(&s, first);
	free(first);
	return r;
}
