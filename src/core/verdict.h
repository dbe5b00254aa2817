/* SPDX-License-Identifier: MIT */
/*
 * What became of one hand-over: the normal form of verdict lines, exit statuses, signals and
 * timeouts. Pure.
 */
#ifndef SLUICED_CORE_VERDICT_H
#define SLUICED_CORE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"
#include "core/settings.h"

enum verdict {
	VERDICT_OK,      /* done: acknowledge */
	VERDICT_RETRY,   /* try again, here, after a delay */
	VERDICT_DEAD,    /* will never work: dead-letter */
	VERDICT_DROP,    /* acknowledge without having done it */
	VERDICT_RELEASE, /* give it back to the group */
	VERDICT_BROKEN,  /* the handler cannot work: give the entry back, tell the breaker */
	VERDICT_COUNT
};

/* Why it did not succeed; the words of sluice.failure and of the metrics. */
enum failure {
	FAILURE_NONE,
	FAILURE_EXIT,
	FAILURE_SIGNAL,
	FAILURE_TIMEOUT,
	FAILURE_RETRY, /* the handler said retry or dead itself */
	FAILURE_BROKEN,
	FAILURE_COUNT
};

const char *verdict_word(enum verdict v);
const char *failure_word(enum failure f);

/* Exactly one of these is given for each hand-over. Slices are borrowed for the call. */
struct outcome {
	enum verdict verdict;
	enum failure failure;
	bool charged;             /* the run counts as an attempt */
	bool suspect;             /* one of several that may have killed a worker: run it alone */
	bool has_delay;           /* VERDICT_RETRY: the handler named the delay */
	uint64_t delay_ms;        /* has_delay */
	int exit_status;          /* -1 when the process did not exit */
	int signal;               /* 0 when no signal ended it */
	pid_t pid;                /* of the handler; 0 when it could not be started */
	struct slice detail;      /* "exit status 3", "SIGSEGV", the handler's own reason */
	struct slice stderr_tail; /* last of the handler's standard error, at most 4 KiB */
};

/* Fills the default rows of the exit table of the handler protocol. */
void exit_codes_default(struct exit_codes *codes);

/* "SIGSEGV"; "signal 40" where the signal has no name. Static text. */
const char *signal_name(int signal);

#endif
