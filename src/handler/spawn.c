/* SPDX-License-Identifier: MIT */
/*
 * O_NONBLOCK belongs to the open file and not to the descriptor, so it is set on our ends only:
 * cat dies of "Resource temporarily unavailable" on a non-blocking standard input. Every
 * descriptor is close-on-exec from birth.
 */
#include "handler/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

enum { CHILD_FDS = 4 };

/* The pipes of one process: by descriptor number in the child. */
struct pipes {
	int ours[CHILD_FDS], theirs[CHILD_FDS];
};

static void close_all(int *fds)
{
	for (int i = 0; i < CHILD_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* An end numbered 0 to 3 would be overwritten by the dup2 of another one, and dup2 onto itself
 * would leave it close-on-exec. */
static int move_above_child_fds(int *fd)
{
	int moved;

	if (*fd >= CHILD_FDS)
		return 0;
	moved = fcntl(*fd, F_DUPFD_CLOEXEC, CHILD_FDS);
	if (moved < 0)
		return -errno;
	close(*fd);
	*fd = moved;
	return 0;
}

/* The pipe that is descriptor n in the child; 0 is the one that the child reads. */
static int open_pipe(struct pipes *p, int n)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	p->ours[n] = n == 0 ? ends[1] : ends[0];
	p->theirs[n] = n == 0 ? ends[0] : ends[1];
	if (fcntl(p->ours[n], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return move_above_child_fds(&p->theirs[n]);
}

static int open_pipes(struct pipes *p, const struct spawn_spec *spec)
{
	int n = spec->settings->verdicts == VERDICTS_FD3 ? CHILD_FDS : CHILD_FDS - 1;
	int r;

	for (int i = 0; i < CHILD_FDS; i++)
		p->ours[i] = p->theirs[i] = -1;
	p->theirs[0] = spec->stdin_fd;
	r = spec->stdin_fd == SPAWN_PIPE ? open_pipe(p, 0) : move_above_child_fds(&p->theirs[0]);
	for (int i = 1; i < n && !r; i++)
		r = open_pipe(p, i);
	return r;
}

static int add_actions(posix_spawn_file_actions_t *actions, const struct pipes *p,
    const char *working_directory)
{
	int r = 0, first_unused = 0;

	for (int i = 0; i < CHILD_FDS && !r && p->theirs[i] >= 0; i++) {
		r = posix_spawn_file_actions_adddup2(actions, p->theirs[i], i);
		first_unused = i + 1;
	}
	if (!r && working_directory)
		r = posix_spawn_file_actions_addchdir_np(actions, working_directory);
#if __GLIBC_PREREQ(2, 34)
	/* For what a library may have opened without close-on-exec. */
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(actions, first_unused);
#endif
	(void)first_unused;
	return r;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	/* sigfillset() leaves out the two signals that glibc keeps for itself, and posix_spawn()
	 * would then leave these ignored in the child. */
	memset(&all, 0xff, sizeof(all));
	r = posix_spawnattr_setflags(attributes,
	    POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (!r)
		r = posix_spawnattr_setpgroup(attributes, 0);
	if (!r)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	return r;
}

static int start(const struct spawn_spec *spec, const struct pipes *p, pid_t *ret_pid)
{
	const struct handler_settings *s = spec->settings;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	r = add_actions(&actions, p, s->working_directory);
	if (!r)
		r = set_attributes(&attributes);
	if (!r)
		r = posix_spawn(ret_pid, s->program, &actions, &attributes, s->command.items,
		    spec->environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int spawn_handler(const struct spawn_spec *spec, struct spawned *ret)
{
	struct pipes p;
	pid_t pid = 0;
	int r = open_pipes(&p, spec);

	if (!r)
		r = start(spec, &p, &pid);
	close_all(p.theirs);
	if (r) {
		close_all(p.ours);
		return r;
	}
	*ret = (struct spawned){
		.pid = pid,
		.input = p.ours[0],
		.output = p.ours[1],
		.error = p.ours[2],
		.verdicts = p.ours[3],
	};
	return 0;
}

bool spawn_error_is_temporary(int error)
{
	switch (error) {
	case -EAGAIN: /* RLIMIT_NPROC, TasksMax */
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -ETXTBSY: /* the program is being replaced */
		return true;
	default:
		return false;
	}
}
