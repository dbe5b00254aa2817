/* SPDX-License-Identifier: MIT */
/*
 * What the end of a handler process means for the entries it had: the exit table of exec mode and
 * the rules for a dead worker. Pure.
 *
 * exec: `dead`, `retry`, `release` and `broken` said on the verdict channel stand whatever the end;
 * then a timeout or a drain of ours decides; `ok` and `drop` stand only with exit status 0; then
 * the signal or the table of exit codes decides.
 *
 * worker: handler.exit_codes are asked for `broken` alone. The other meanings are about one entry,
 * and a worker names its entries itself: an end with entries unfinished is a failed run even when
 * its status is 0. An entry of which the worker has read no byte has not run and is charged to
 * nobody.
 */
#ifndef SLUICED_CORE_ENDING_H
#define SLUICED_CORE_ENDING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/slice.h"
#include "core/settings.h"
#include "core/verdict.h"

/* Why we have killed a process. */
enum kill_cause {
	KILL_NONE,     /* it ended by itself */
	KILL_TIMEOUT,  /* an entry ran longer than handler.timeout */
	KILL_DRAIN,    /* the drain ran out of time */
	KILL_PROTOCOL, /* too many lines that are no verdicts */
	KILL_START,    /* never said ready */
	KILL_OVERDUE,  /* had nothing left to do and did not leave */
};

struct ending {
	pid_t pid;
	int wait_status; /* of waitpid() */
	enum kill_cause cause;
	uint64_t timeout_ms; /* for the text of a timeout */
	struct slice stderr_tail;
};

/* "exit status 3", "SIGSEGV", "timed out after 30 s". */
struct ending_text {
	char text[128];
};

/* The text of how the process ended by itself. */
void ending_describe(int wait_status, struct ending_text *ret_text);

/*
 * The outcome of an exec run. `said` is the first terminal verdict of its verdict channel, or NULL.
 * The outcome's detail points into text, or is said's.
 */
struct outcome ending_of_run(const struct ending *end, const struct exit_codes *codes,
    const struct outcome *said, struct ending_text *text);

/* How a worker ended, as far as it matters to its entries. */
struct worker_end {
	struct ending end;
	const struct exit_codes *codes;
	bool proven;     /* it has had a success */
	bool parallel;   /* handler.parallel */
	bool alone;      /* it ran one suspect and nothing else */
	uint32_t n_read; /* entries outstanding that it had read */
};

/* Where an entry stood when its worker ended. */
enum held_place {
	HELD_TIMED_OUT, /* its clock ran out: this is why the worker was killed */
	HELD_OLDEST,    /* the oldest of those outstanding */
	HELD_BEHIND,    /* another was older */
	HELD_UNREAD,    /* no byte of its line was read */
};

/* Whether this end is a broken event for the breaker, entries or not. */
bool ending_is_broken(const struct worker_end *w);

/* The broken event of a worker that had no entry to tell it with; text says how any worker ended.
 */
struct outcome ending_of_worker(const struct worker_end *w, struct ending_text *text);

/* The outcome where no process could be started: error is -errno. */
struct outcome ending_of_no_start(int error, struct ending_text *text);

struct outcome ending_of_held(const struct worker_end *w, enum held_place place,
    struct ending_text *text);

#endif
