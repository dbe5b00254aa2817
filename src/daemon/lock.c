/* SPDX-License-Identifier: MIT */
#include "daemon/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

/* mkdir -p, the last folder private. */
static int make_folder(const char *path)
{
	char *copy = xstrdup(path);
	int r = 0;

	for (char *p = copy + 1; *p && !r; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			r = -errno;
		*p = '/';
	}
	if (!r && mkdir(copy, 0700) && errno != EEXIST)
		r = -errno;
	free(copy);
	return r;
}

/* Others could put a lock of their own, or later a socket, into a folder that is theirs: below /tmp
 * anybody may have made it first. */
static int check_owner(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid == geteuid() || st.st_uid == 0 ? 0 : -EPERM;
}

static int lock_file(const char *path, int *ret_fd)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		r = -errno;
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int lock_take(const char *runtime_dir, int *ret_fd, const char **ret_why)
{
	char *path;
	int r = make_folder(runtime_dir);

	if (!r)
		r = check_owner(runtime_dir);
	if (r) {
		*ret_why = r == -EPERM ? "the directory belongs to somebody else" : strerror(-r);
		return r;
	}
	path = xasprintf("%s/lock", runtime_dir);
	r = lock_file(path, ret_fd);
	free(path);
	if (r)
		*ret_why =
		    r == -EWOULDBLOCK ? "another daemon of this instance is running" : strerror(-r);
	return r;
}
