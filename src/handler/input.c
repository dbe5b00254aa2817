/* SPDX-License-Identifier: MIT */
#include "handler/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

/* Capacity of a pipe, unless the user has more than pipe-user-pages-soft of them. */
enum { PIPE_BYTES = 64 * 1024 };

static int open_pipe(struct slice bytes, int *ret_fd)
{
	int ends[2];
	bool whole;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	whole = fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0 &&
	        write(ends[1], bytes.data, bytes.len) == (ssize_t)bytes.len;
	close(ends[1]);
	if (!whole) {
		close(ends[0]);
		return -EAGAIN;
	}
	*ret_fd = ends[0];
	return 0;
}

static int fill(int fd, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes.data += n;
			bytes.len -= (size_t)n;
		}
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	return lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

static int open_memory_file(struct slice bytes, int *ret_fd)
{
	int fd = memfd_create("entry", MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

	if (fd < 0)
		return -errno;
	r = fill(fd, bytes);
	if (r) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int input_open(struct slice bytes, int *ret_fd)
{
	int r = -EAGAIN;

	if (bytes.len <= PIPE_BYTES)
		r = open_pipe(bytes, ret_fd);
	return r == -EAGAIN ? open_memory_file(bytes, ret_fd) : r;
}

int input_open_empty(int *ret_fd)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}
