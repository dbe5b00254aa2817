/* SPDX-License-Identifier: MIT */
/*
 * The floor of exec mode: processes started with the same four pipes, given an entry, read to the
 * end of their output and reaped, with nothing around it.
 *
 *	spawn PROCESSES CONCURRENCY PROGRAM [ARGUMENT…]
 *
 * Prints one line of JSON: wall time, own CPU time and that of the children, in nanoseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

static const char entry[] =
    "{\"tag\":1,\"stream\":\"bench\",\"group\":\"bench\",\"consumer\":\"host.default.bench\","
    "\"id\":\"1717200000000-0\",\"attempt\":1,\"max_attempts\":8,\"deadline_ms\":1717200030000,"
    "\"more\":false,\"fields\":{\"field00001\":\"value00001\",\"field00002\":\"value00002\","
    "\"field00003\":\"value00003\",\"field00004\":\"value00004\",\"field00005\":\"value00005\"}}\n";

enum { INPUT, OUTPUT, ERRORS, VERDICTS, PIPES };

/* One child: the pipes that it writes to, and how many of them are still open. */
struct child {
	pid_t pid;
	int open;
};

struct run {
	char **argv;
	int concurrency, left_to_start, running;
	struct child *children;
	struct pollfd *polled; /* PIPES - 1 for each child; -1 where closed */
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void open_pipes(int ours[PIPES], int theirs[PIPES])
{
	for (int i = 0; i < PIPES; i++) {
		int fds[2];

		if (pipe2(fds, O_CLOEXEC))
			die("pipe2");
		ours[i] = fds[i == INPUT];
		theirs[i] = fds[i != INPUT];
	}
}

static pid_t start_process(char **argv, const int theirs[PIPES])
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	posix_spawn_file_actions_init(&actions);
	for (int i = 0; i < PIPES; i++)
		posix_spawn_file_actions_adddup2(&actions, theirs[i], i);
	error = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error) {
		errno = error;
		die(argv[0]);
	}
	return pid;
}

static void start(struct run *r, int slot)
{
	int ours[PIPES], theirs[PIPES];

	open_pipes(ours, theirs);
	r->children[slot] = (struct child){ start_process(r->argv, theirs), PIPES - 1 };
	for (int i = 0; i < PIPES; i++)
		close(theirs[i]);
	/* A program that does not read its input may be gone already. */
	if (write(ours[INPUT], entry, sizeof(entry) - 1) < 0 && errno != EPIPE)
		die("write");
	close(ours[INPUT]);
	for (int i = OUTPUT; i < PIPES; i++)
		r->polled[slot * (PIPES - 1) + i - 1] =
		    (struct pollfd){ .fd = ours[i], .events = POLLIN };
	r->running++;
	r->left_to_start--;
}

/* Reads what is there; at the end of the last pipe the child is reaped and its slot used again. */
static void read_output(struct run *r, int index)
{
	static char scratch[65536];
	int slot = index / (PIPES - 1);
	struct pollfd *p = &r->polled[index];

	if (read(p->fd, scratch, sizeof(scratch)) > 0)
		return;
	close(p->fd);
	p->fd = -1;
	if (--r->children[slot].open)
		return;
	if (waitpid(r->children[slot].pid, NULL, 0) < 0)
		die("waitpid");
	r->running--;
	if (r->left_to_start)
		start(r, slot);
}

static void run_all(struct run *r)
{
	int n_polled = r->concurrency * (PIPES - 1);

	for (int i = 0; i < r->concurrency && r->left_to_start; i++)
		start(r, i);
	while (r->running) {
		if (poll(r->polled, (nfds_t)n_polled, -1) < 0)
			die("poll");
		for (int i = 0; i < n_polled; i++) {
			if (r->polled[i].fd >= 0 && r->polled[i].revents)
				read_output(r, i);
		}
	}
}

static long long wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long cpu_ns(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000LL +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000LL;
}

int main(int argc, char **argv)
{
	struct run r = { 0 };
	long long started;

	if (argc < 4 || atoi(argv[2]) < 1) {
		fprintf(stderr, "usage: spawn PROCESSES CONCURRENCY PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	/* Taken, so that no pipe gets a number that it is to be copied to. */
	dup2(STDIN_FILENO, VERDICTS);
	fcntl(VERDICTS, F_SETFD, FD_CLOEXEC);
	r.argv = argv + 3;
	r.left_to_start = atoi(argv[1]);
	r.concurrency = atoi(argv[2]);
	r.children = xcalloc((size_t)r.concurrency, sizeof(*r.children));
	r.polled = xcalloc((size_t)r.concurrency * (PIPES - 1), sizeof(*r.polled));
	for (int i = 0; i < r.concurrency * (PIPES - 1); i++)
		r.polled[i].fd = -1;
	started = wall_ns();
	run_all(&r);
	printf("{\"wall_ns\":%lld,\"cpu_ns\":%lld,\"children_cpu_ns\":%lld}\n", wall_ns() - started,
	    cpu_ns(RUSAGE_SELF), cpu_ns(RUSAGE_CHILDREN));
	return 0;
}
