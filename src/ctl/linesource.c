/* SPDX-License-Identifier: MIT */
#include "ctl/linesource.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024 };

int linesource_open(struct linesource *s, const char *path, size_t max_bytes)
{
	bool is_stdin = strcmp(path, "-") == 0;
	struct stat st;

	*s = (struct linesource){
		.name = is_stdin ? "standard input" : path,
		.fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC),
		.max_bytes = max_bytes,
	};
	if (s->fd < 0)
		return -errno;
	if (fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode))
		s->file_bytes = (uint64_t)st.st_size;
	return 0;
}

void linesource_close(struct linesource *s)
{
	if (s->fd > STDIN_FILENO)
		close(s->fd);
	buf_done(&s->in);
	s->fd = -1;
}

/* Bytes came, or the end: 0; -EAGAIN where read() would wait. */
static int fill(struct linesource *s)
{
	struct pollfd in = { .fd = s->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&in, 1, 0) == 0)
		return -EAGAIN;
	n = read(s->fd, buf_reserve(&s->in, READ_BYTES), READ_BYTES);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	buf_added(&s->in, (size_t)n);
	s->is_at_end = n == 0;
	return 0;
}

/* Is there a whole line? At the end of input what is left is one. */
static bool find_line(struct linesource *s, struct slice *ret_line)
{
	const char *data = buf_data(&s->in), *newline;
	size_t len = buf_len(&s->in);

	newline = len > s->n_scanned ? memchr(data + s->n_scanned, '\n', len - s->n_scanned) : NULL;
	s->n_scanned = len;
	if (!newline && !(s->is_at_end && len))
		return false;
	s->n_taken = newline ? (size_t)(newline - data) + 1 : len;
	*ret_line = (struct slice){ data, newline ? s->n_taken - 1 : len };
	return true;
}

/* What was taken before goes. */
static void drop_taken(struct linesource *s)
{
	if (!s->n_taken)
		return;
	buf_consume(&s->in, s->n_taken);
	s->n_taken = s->n_scanned = 0;
}

int linesource_next(struct linesource *s, struct slice *ret_line)
{
	struct slice line = { 0 };
	int r;

	drop_taken(s);
	while (!find_line(s, &line) && s->n_scanned <= s->max_bytes) {
		if (s->is_at_end)
			return LINESOURCE_END;
		r = fill(s);
		if (r)
			return r;
	}
	s->n_lines++;
	if (!s->n_taken || line.len > s->max_bytes)
		return -EMSGSIZE;
	s->n_bytes += s->n_taken;
	*ret_line = line;
	return LINESOURCE_LINE;
}
