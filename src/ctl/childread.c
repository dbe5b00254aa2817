/* SPDX-License-Identifier: MIT */
#include "ctl/childread.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES_MAX = 4 << 20, PIECE_BYTES = 16384 };

extern char **environ;

static int make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	return fcntl(ends[0], F_SETFL, O_NONBLOCK) ? -errno : 0;
}

/* Our end of what the child may find open: ncurses' signal handlers are not inherited by exec. */
static int spawn(char *const argv[], int out, int err, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
	r = -posix_spawn(ret_pid, "/proc/self/exe", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

int childread_start(struct childread *c, char *const argv[])
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	pid_t pid = 0;
	int r = make_pipe(out);

	if (!r)
		r = make_pipe(err);
	if (!r)
		r = spawn(argv, out[1], err[1], &pid);
	close(out[1]);
	close(err[1]);
	if (r) {
		close(out[0]);
		close(err[0]);
		return r;
	}
	c->pid = pid;
	c->out = out[0];
	c->err = err[0];
	buf_clear(&c->text);
	buf_clear(&c->errors);
	return 0;
}

/* False at the end. What is too much is read, and not kept: the program is to end. */
static bool take(int fd, struct buf *to)
{
	char piece[PIECE_BYTES];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0) {
		if (buf_len(to) < BYTES_MAX)
			buf_append(to, piece, (size_t)n);
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static int reap(struct childread *c)
{
	int status = 0;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	close(c->out);
	close(c->err);
	c->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool childread_take(struct childread *c, int *ret_status)
{
	bool out_is_open = take(c->out, &c->text), err_is_open = take(c->err, &c->errors);

	if (out_is_open || err_is_open)
		return false;
	*ret_status = reap(c);
	return true;
}

void childread_done(struct childread *c)
{
	if (c->pid) {
		kill(c->pid, SIGKILL);
		reap(c);
	}
	buf_done(&c->text);
	buf_done(&c->errors);
}
