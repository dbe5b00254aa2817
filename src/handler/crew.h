/* SPDX-License-Identifier: MIT */
/* All workers of a pool: which one gets the next entry, and when each is started. */
#ifndef SLUICED_HANDLER_CREW_H
#define SLUICED_HANDLER_CREW_H

#include <ev.h>
#include <stdint.h>

#include "base/list.h"
#include "handler/common.h"
#include "handler/worker.h"

struct crew {
	struct common *common;
	struct worker **workers;
	uint32_t n_workers;
	struct list retired;  /* beside `workers`: too many now, they finish what they have */
	struct deferred bury; /* those of them that are gone */
	bool started;
	uint32_t room;         /* of all workers together */
	struct list with_room; /* workers that take an entry; the next one's turn is first */
	struct list idle;      /* of these, the ones with nothing outstanding */
	struct list starting;  /* to be started as soon as the loop comes to it */
	uint32_t n_in_state[WORKER_STATE_COUNT];
	ev_timer starter;
};

struct crew *crew_new(struct common *common);
void crew_free(struct crew *c);

void crew_start(struct crew *c);
/* As many workers as the concurrency is now. */
void crew_resize(struct crew *c);
uint32_t crew_round(const struct crew *c);
uint32_t crew_processes(const struct crew *c);
void crew_offer(struct crew *c, struct entry *e, const struct fields *f);
void crew_drain(struct crew *c);
void crew_kill(struct crew *c);
void crew_each_process(const struct crew *c,
    void (*visit)(void *context, const struct pool_process *process), void *context);

/* From a worker: its room may have changed. */
void crew_worker_changed(struct crew *c, struct worker *w);

/* From a worker: the only way its state changes. */
void crew_worker_event(struct crew *c, struct worker *w, enum worker_event event);

/* From a worker: it wants to be started; not at once, so that ten thousand of them do not keep the
 * loop from its other work. */
void crew_start_soon(struct crew *c, struct worker *w);

/* Takes it off all lists. */
void crew_forget(struct crew *c, struct worker *w);

#endif
