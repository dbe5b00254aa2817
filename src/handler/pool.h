/* SPDX-License-Identifier: MIT */
/*
 * The handler processes of one consumer: entries in, exactly one verdict out for each, whatever the
 * processes do. Exec mode starts a process for each entry; worker mode keeps `concurrency` of them
 * with up to `window` entries outstanding in each.
 */
#ifndef SLUICED_HANDLER_POOL_H
#define SLUICED_HANDLER_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/entry.h"
#include "core/fields.h"
#include "core/settings.h"
#include "core/verdict.h"
#include "core/workerfsm.h"
#include "loop/loop.h"

struct pool;

/* What all pools of a daemon share. Owned by the daemon; outlives every pool. */
struct handler_host {
	struct loop *loop;
	char **environment; /* NULL-terminated, cleaned: see handler_environment_new() */
	uint64_t last_tag;  /* tags are unique in the life of the daemon */
};

/* The daemon's own environment without what was meant for the daemon alone (NOTIFY_SOCKET,
 * WATCHDOG_*, LISTEN_*, CREDENTIALS_DIRECTORY, JOURNAL_STREAM, LIBEV_FLAGS, …). */
char **handler_environment_new(char *const *environ_of_daemon);
void handler_environment_free(char **environment);

/* Counted by the pool for the consumer's statistics; only ever grow. */
struct pool_counters {
	uint64_t protocol_errors;
	uint64_t output_lines_dropped;
	uint64_t workers_started;
	uint64_t workers_ended;
};

struct pool_events {
	/* The one verdict for a hand-over. The entry is no longer the pool's when this is called.
	 * Must not call back into the pool; it may defer work. */
	void (*on_verdict)(void *owner, struct entry *e, const struct outcome *o);
	/* Room appeared other than by a verdict: a worker is up, a pause is over. */
	void (*on_room)(void *owner);
	/* After pool_drain(): no process is left. */
	void (*on_drained)(void *owner);
	/* A broken event for the breaker that no verdict tells of: a worker could not be started,
	 * or ended unproven with nothing in its hands. May be NULL. Where several VERDICT_BROKEN
	 * carry the same pid they are one such event. */
	void (*on_broken)(void *owner, const struct outcome *o);
};

struct pool_spec {
	struct handler_host *host;
	const struct handler_settings *settings; /* outlives the pool */
	uint64_t max_attempts;                   /* shown to handlers */
	const char *consumer;                    /* its name in the configuration, for logs */
	struct pool_events events;
	void *owner;
};

/* No process is started yet. */
struct pool *pool_new(const struct pool_spec *spec) MUST_CHECK;

/* Starts the workers of worker mode. */
void pool_start(struct pool *p);

/*
 * So many processes from now on. Workers that are missing are started at once; of those that are
 * too many the last ones finish what they have and go, as do the runs of exec mode.
 */
void pool_set_concurrency(struct pool *p, uint32_t n);
uint32_t pool_concurrency(const struct pool *p);

/* Entries that can be offered now. */
uint32_t pool_room(const struct pool *p);

/* Entries of one round: all slots of the processes that are up (exec: the concurrency). */
uint32_t pool_round(const struct pool *p);

/* Whether an entry with e->suspect set can be offered now: it needs a process of its own. */
bool pool_room_alone(const struct pool *p);

/*
 * Hands e over: sets its tag, handed_at_ms and run. There must be room (pool_room_alone() for a
 * suspect). The verdict comes later from the loop, never from inside this call. f is borrowed for
 * the call.
 */
void pool_offer(struct pool *p, struct entry *e, const struct fields *f);

/* Nothing more will be offered: workers get end of file and finish what they have. */
void pool_drain(struct pool *p);

/* Ends what still runs: SIGTERM, kill_grace, SIGKILL, to the process groups. Entries come back as
 * VERDICT_RELEASE. Call after pool_drain(). */
void pool_kill(struct pool *p);

const struct pool_counters *pool_counters(const struct pool *p);

/* Processes alive. */
uint32_t pool_processes(const struct pool *p);

/* Workers in a state; none in exec mode. */
uint32_t pool_workers_in(const struct pool *p, enum worker_state state);

struct pool_process {
	pid_t pid;
	enum worker_state state; /* exec mode: always WORKER_UP */
	uint32_t n_entries;      /* handed to it and not settled */
};

/* Calls visit for each process that is alive. */
void pool_each_process(const struct pool *p,
    void (*visit)(void *context, const struct pool_process *process), void *context);

/* Kills what is left at once (SIGKILL), gives no verdicts. NULL is allowed. */
void pool_free(struct pool *p);

#endif
