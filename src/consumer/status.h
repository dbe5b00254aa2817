/* SPDX-License-Identifier: MIT */
/* What there is to tell of a consumer and of each of its streams, as it is at this moment. */
#ifndef SLUICED_CONSUMER_STATUS_H
#define SLUICED_CONSUMER_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/breaker.h"
#include "core/entryset.h"
#include "core/histogram.h"
#include "core/settings.h"
#include "core/stats.h"
#include "handler/pool.h"
#include "redis/ability.h"
#include "redis/endpoint.h"
#include "redis/reply.h"

struct consumer;

struct timings {
	struct histogram handler; /* by histogram_durations_ms: from the hand-over to the verdict */
	struct histogram
	    queue; /* by histogram_durations_ms: from the payload's coming to the hand-over */
	struct histogram age; /* by histogram_ages_ms: from the id's time to the verdict */
};

/* One thing that Redis was asked. */
struct figure {
	uint64_t at_ms; /* monotonic; 0: not known, or Redis says null */
	uint64_t value;
};

struct figures {
	struct figure length, lag, pending, dead_letters;
	struct figure oldest; /* wall time of the lowest pending id, in ms */
};

enum { FIGURES_AT_MOST_MS = 15 * 1000 };

struct consumer_status {
	const char *name, *group, *name_in_group;
	const struct consumer_settings *settings;
	bool paused, draining;
	bool at_bound;
	enum breaker_state breaker;
	uint64_t cooldown_ms; /* BREAKER_OPEN: between two tries */
	uint32_t concurrency;
	uint32_t n_processes, n_workers_in[WORKER_STATE_COUNT];
	struct pool_counters pool;
	const struct entry_totals *totals;
	const struct stats *stats;
	const uint64_t *redis_errors; /* by enum redis_error */
	const struct timings *timings;
	uint64_t n_reconnects; /* of its readers and of the connections that it shares */
	size_t n_streams;
};

struct stream_status {
	const char *name;
	const char *dead_letters; /* NULL: off */
	const char *group_state;  /* "unknown", "asked", "ready", "stopped" */
	bool reader_connected, command_connected;
	bool group_stopped; /* it is missing, and on_missing_group is fail */
	bool name_in_use;   /* by another daemon, so that it is not read */
	bool twin;          /* another daemon works under our name beside us */
	const char *fault;  /* why the reader is not connected; empty when there is none */
	const struct endpoint *server; /* NULL: as configured */
	const char *complaint;         /* the last error reply; empty: none yet */
	const char *complaint_kind;
	uint64_t complained_at_ms; /* monotonic */
	size_t n_held;
	const struct abilities *abilities; /* of its server; NULL: it is not known which that is */
	struct figures figures;            /* at_ms is 0 where it is not known, or too long ago */
};

/* Valid until the loop turns. */
void consumer_status(const struct consumer *c, struct consumer_status *ret_status);
void consumer_stream_status(const struct consumer *c, size_t i, struct stream_status *ret_status);

/* Calls visit for each handler process. */
void consumer_each_process(const struct consumer *c,
    void (*visit)(void *context, const struct pool_process *process), void *context);

/* Why the consumer cannot do its work: calls tell for each reason. */
void consumer_each_obstacle(const struct consumer *c,
    void (*tell)(void *context, const char *obstacle), void *context);

#endif
