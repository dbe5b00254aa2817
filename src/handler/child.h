/* SPDX-License-Identifier: MIT */
/*
 * One handler process as the loop sees it: what it prints goes to the log, what it says on the
 * verdict channel to its owner, and its end is told once. Embedded in a worker or an exec run.
 */
#ifndef SLUICED_HANDLER_CHILD_H
#define SLUICED_HANDLER_CHILD_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "core/entry.h"
#include "core/settings.h"
#include "handler/lines.h"
#include "handler/output.h"
#include "handler/spawn.h"
#include "loop/loop.h"

struct child;

struct child_events {
	/* A line of the verdict channel; what was printed before it has been logged. Returns
	 * whether it is a verdict: with handler.verdicts: stdout any other line is output. */
	bool (*on_line)(struct child *c, struct slice line, enum line_end end);
	/* Reaped; all that it wrote itself has been read. c->wait_status is set. */
	void (*on_exit)(struct child *c);
	/* Nobody can write to any of its pipes any more. */
	void (*on_output_end)(struct child *c);
	/* The entry that its output is about, or NULL. */
	const struct entry *(*subject)(struct child *c);
};

/* One descriptor that is read. */
struct tube {
	ev_io io; /* io.fd is -1 when closed */
	struct lines lines;
};

struct child {
	struct loop *loop;
	const struct handler_settings *settings;
	const struct child_events *events;
	uint64_t watch_after_ms;
	pid_t pid; /* 0: no process */
	int wait_status;
	bool reaped, term_sent, kill_sent;
	struct tube out, err, fd3;
	struct output output;
	ev_child reaper;
	ev_timer watch_later; /* active: its pipes are not watched yet */
	ev_timer ladder;      /* from SIGTERM to SIGKILL to the alarm that not even that helped */
};

struct child_spec {
	struct loop *loop;
	const struct handler_settings *settings;
	const char *consumer;
	uint64_t *dropped_total;
	const struct child_events *events;
	/* Its pipes are watched when it has run for so long, or has ended and left them open. */
	uint64_t watch_after_ms;
};

void child_init(struct child *c, const struct child_spec *spec);

/* Starts the process: 0 or -errno. *ret_input is our end of its standard input, or -1. stdin_fd as
 * in struct spawn_spec. */
int child_start(struct child *c, char *const *environment, int stdin_fd, int *ret_input) MUST_CHECK;

/* Reads what is waiting and passes it on: before a deadline is believed. */
void child_read(struct child *c);

/* Whether it has ended and only waits to be reaped. */
bool child_has_exited(const struct child *c);

/* SIGTERM to its group, and SIGKILL after handler.kill_grace. */
void child_terminate(struct child *c);

/* Whether every pipe has been closed at its other end. */
bool child_output_ended(const struct child *c);

/* Closes what is open, which passes an unfinished line on. */
void child_close(struct child *c);

/* Ends what is left: a process that still runs gets SIGKILL, and nobody is told anything. */
void child_done(struct child *c);

#endif
