/* SPDX-License-Identifier: MIT */
/*
 * O_NONBLOCK belongs to the open file and not to the descriptor, so it is set on our ends only:
 * cat dies of "Resource temporarily unavailable" on a non-blocking standard input. Every
 * descriptor is close-on-exec from birth.
 *
 * Until exec the new process runs in the daemon's memory, on a stack of its own, and the daemon
 * waits: no memory map is copied, and only what is safe in a signal handler may be called there.
 * posix_spawn() does the same on a stack that it maps each time, and unmapping what another
 * processor has used is slow: an eighth of the daemon's time for an entry.
 */
#include "handler/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	CHILD_FDS = 4,
	STACK_BYTES = 16 * 1024, /* for a handful of small frames */
};

/* The pipes of one process: by descriptor number in the child. */
struct pipes {
	int ours[CHILD_FDS], theirs[CHILD_FDS];
};

/* What the new process and the daemon tell each other. */
struct birth {
	const struct spawn_spec *spec;
	const struct pipes *pipes;
	int error; /* -errno of what failed in the new process */
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

/* --- in the new process ----------------------------------------------------------------------- */

/*
 * Exec resets what is caught, but not what is ignored; and a handler of the daemon's must not run
 * here, in the daemon's memory. sigaction() refuses two signals that glibc keeps for itself, which
 * whoever started the daemon may have left ignored.
 */
static void reset_signals(void)
{
	static const unsigned long defaults[8]; /* a struct sigaction of the kernel's, all zero */

	for (int signal = 1; signal < _NSIG; signal++)
		syscall(SYS_rt_sigaction, signal, defaults, NULL, _NSIG / 8);
}

/* No address of a local variable is taken in these functions: AddressSanitizer would mark its
 * surroundings, and exec leaves them marked. */
static void unblock_signals(void)
{
	static const sigset_t none; /* all zero is empty */

	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int take_pipes(const struct pipes *p)
{
	unsigned first_unused = 0;

	for (int i = 0; i < CHILD_FDS && p->theirs[i] >= 0; i++) {
		if (dup2(p->theirs[i], i) < 0)
			return -errno;
		first_unused++;
	}
#ifdef SYS_close_range
	/* For what a library may have opened without close-on-exec. Not before Linux 5.9. */
	syscall(SYS_close_range, first_unused, ~0U, 0U);
#endif
	return 0;
}

static int prepare(const struct birth *b)
{
	const char *directory = b->spec->settings->working_directory;
	int r;

	reset_signals();
	if (setpgid(0, 0) < 0)
		return -errno;
	r = take_pipes(b->pipes);
	if (r)
		return r;
	if (directory && chdir(directory) < 0)
		return -errno;
	unblock_signals();
	return 0;
}

/* Returns only if it fails. */
static int become_handler(void *birth)
{
	struct birth *b = birth;
	const struct handler_settings *s = b->spec->settings;

	b->error = prepare(b);
	if (b->error)
		return EXIT_FAILURE;
	execve(s->program, s->command.items, b->spec->environment);
	b->error = -errno;
	return EXIT_FAILURE;
}

/* --- in the daemon ---------------------------------------------------------------------------- */

/* Returns when the process has become the program, or has failed and been reaped. */
static int start(struct birth *b, pid_t *ret_pid)
{
	char stack[STACK_BYTES] __attribute__((aligned(16)));
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = clone(become_handler, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, b);
	if (pid < 0)
		b->error = -errno;
	else if (b->error)
		waitpid(pid, NULL, 0);
	else
		*ret_pid = pid;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return b->error;
}

int spawn_handler(const struct spawn_spec *spec, struct spawned *ret)
{
	struct pipes p;
	struct birth b = { .spec = spec, .pipes = &p };
	pid_t pid = 0;
	int r = open_pipes(&p, spec);

	if (!r)
		r = start(&b, &pid);
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
