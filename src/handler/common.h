/* SPDX-License-Identifier: MIT */
/* What the parts of one pool share, and the only way to the pool's owner. */
#ifndef SLUICED_HANDLER_COMMON_H
#define SLUICED_HANDLER_COMMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"
#include "handler/child.h"
#include "handler/entryline.h"
#include "handler/pool.h"
#include "handler/verdictline.h"

struct common {
	struct pool_spec spec;
	struct loop *loop;
	const struct handler_settings *settings;
	uint32_t concurrency; /* as set last: processes */
	char **environment;
	struct pool_counters counters;
	struct entryline line;
	uint64_t wall_ms, wall_for_ms; /* wall time as of one value of loop_now_ms() */
	struct buf reason;             /* a decoded reason, until the next one */
	struct log_limit protocol_log, start_log, background_log;
	bool draining;
	struct deferred drained;
};

void common_init(struct common *c, const struct pool_spec *spec);
void common_done(struct common *c);

/* Numbers the hand-over and sets the deadline of its line. */
void common_number(struct common *c, struct entry *e);

/* The one verdict. */
void common_settle(struct common *c, struct entry *e, const struct outcome *o);

void common_room(struct common *c);

/* A broken event that came with no verdict: o tells of the process. */
void common_broken(struct common *c, const struct outcome *o);

/* Tells the owner, at the end of the turn, when draining and no process is left. */
void common_count_down(struct common *c, uint32_t n_processes);

/* Counts it, and logs it at most once in 10 s. */
void common_protocol_error(struct common *c, pid_t pid, const char *what);

/* The process could not be started: error is -errno. */
void common_log_start_failure(struct common *c, int error, uint64_t delay_ms);

/* Fields for an event about a process. */
struct log_fields common_log_fields(const struct common *c, pid_t pid);

struct child_spec common_child_spec(struct common *c, const struct child_events *events);

#endif
