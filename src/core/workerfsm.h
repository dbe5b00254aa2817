/* SPDX-License-Identifier: MIT */
/*
 * The life of a worker process as a table: for each state and event the state that follows. Pure;
 * what is done about an event is handler/worker.c's.
 */
#ifndef SLUICED_CORE_WORKERFSM_H
#define SLUICED_CORE_WORKERFSM_H

#define WORKER_STATES(X)                                                                           \
	X(DOWN, "down")         /* no process */                                                   \
	X(STARTING, "starting") /* running, has not said ready yet */                              \
	X(UP, "up")             /* takes entries */                                                \
	X(LEAVING, "leaving")   /* gets no more entries, finishes what it has and exits */         \
	X(DYING, "dying")       /* is being killed */

enum worker_state {
#define X(name, word) WORKER_##name,
	WORKER_STATES(X)
#undef X
	    WORKER_STATE_COUNT
};

enum worker_event {
	WORKER_SPAWNED,
	WORKER_READY,  /* it said so, or need not */
	WORKER_LEAVE,  /* retire, drain, broken, standard input closed by it */
	WORKER_KILLED, /* we have sent it SIGTERM */
	WORKER_REAPED,
	WORKER_EVENT_COUNT
};

const char *worker_state_word(enum worker_state s);

enum worker_state worker_state_after(enum worker_state s, enum worker_event event);

#endif
