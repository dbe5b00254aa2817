/* SPDX-License-Identifier: MIT */
/*
 * One configured consumer, end to end: it reads its streams, hands entries to its handler, and
 * turns every verdict into what Redis must be told.
 */
#ifndef SLUICED_CONSUMER_CONSUMER_H
#define SLUICED_CONSUMER_CONSUMER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "config/config.h"
#include "core/entryset.h"
#include "core/settings.h"
#include "core/stats.h"
#include "handler/pool.h"
#include "redis/keyspace.h"

/* What all consumers of a daemon share. Owned by the daemon; outlives every consumer. */
struct consumer_host {
	struct loop *loop;
	struct redis_host *redis;
	struct keyspace *keyspace;
	struct handler_host *handlers;
	const char *instance, *hostname;
	uint64_t held_bytes, max_held_bytes; /* daemon.max_in_flight_bytes */
	struct list at_bytes;                /* consumers that wait for others to give bytes back */
	struct rng rng;
	void *owner;
	/* After consumer_drain(): no run is left; what remains is to tell Redis. */
	void (*on_runs_over)(void *owner);
	/* After consumer_drain(): nothing is held and nothing runs any more. */
	void (*on_drained)(void *owner);
};

struct consumer;

/* settings are in config, which is kept. */
struct consumer *consumer_new(struct consumer_host *host, struct config *config,
    const struct consumer_settings *settings) MUST_CHECK;

/* Goes on with other settings of the same identity (config/difference.h). Entries that are handed
 * over from then on get the new handler. */
void consumer_change(struct consumer *c, struct config *config,
    const struct consumer_settings *settings);

const struct consumer_settings *consumer_settings(const struct consumer *c);

/* Connects, ensures the groups, starts the workers and begins to read. */
void consumer_start(struct consumer *c);

/* Reads and hands over nothing more; lets runs finish and gives back the rest. */
void consumer_drain(struct consumer *c);

/*
 * Nothing is read, swept, taken up or handed over until consumer_resume(); what waits is given
 * back, what runs finishes. It goes together with everything else, a drain included.
 */
void consumer_pause(struct consumer *c);
void consumer_resume(struct consumer *c);
bool consumer_is_paused(const struct consumer *c);

/* So many handler processes instead of what the settings say. -ERANGE: more than there may be. */
int consumer_set_concurrency(struct consumer *c, uint64_t n) MUST_CHECK;

/* A reload has left its settings as they are: a concurrency that was set ends, and a group that was
 * missing is looked for again. */
void consumer_reloaded(struct consumer *c);

/* Somebody is going to look at what Redis knows of the groups: it is asked for now and then. */
void consumer_want_figures(struct consumer *c);

/* While draining: ends the runs that are left (SIGTERM, kill_grace, SIGKILL). */
void consumer_end_runs(struct consumer *c);

/* The loop stood still for that long: leases may have run out, and are looked after first. */
void consumer_stalled(struct consumer *c, uint64_t gap_ms);

bool consumer_runs_are_over(const struct consumer *c);
bool consumer_is_drained(const struct consumer *c);

/* Whether each of its connections has been up or failed once, and no group is being asked about. */
bool consumer_has_tried(const struct consumer *c);

/* Whether it can work: its readers and its servers are connected. */
bool consumer_is_connected(const struct consumer *c);

const char *consumer_name(const struct consumer *c);
const struct entry_totals *consumer_totals(const struct consumer *c);
const struct stats *consumer_stats(const struct consumer *c);

/* One line with its figures in the log. */
void consumer_log_summary(const struct consumer *c);

/* Leaves what is still held pending in Redis. NULL is allowed. */
void consumer_free(struct consumer *c);

#endif
