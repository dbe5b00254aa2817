/* SPDX-License-Identifier: MIT */
/* Every counter of a consumer, from one list: adding one is adding a row. Gauges are not here, they
 * are the lengths of lists. */
#ifndef SLUICED_CORE_STATS_H
#define SLUICED_CORE_STATS_H

#include <stdint.h>

/* name, metric, label and its value (or ""), what it counts */
#define STATS_COUNTERS(X)                                                                          \
	X(read_new, "sluiced_entries_read_total", "source", "new",                                 \
	    "entries read for the first time")                                                     \
	X(read_claimed, "sluiced_entries_read_total", "source", "claimed",                         \
	    "taken from dead consumers")                                                           \
	X(read_recovered, "sluiced_entries_read_total", "source", "recovered",                     \
	    "own, found pending")                                                                  \
	X(verdict_ok, "sluiced_verdicts_total", "verdict", "ok", "runs that succeeded")            \
	X(verdict_retry, "sluiced_verdicts_total", "verdict", "retry", "runs to be repeated")      \
	X(verdict_dead, "sluiced_verdicts_total", "verdict", "dead", "runs that ended an entry")   \
	X(verdict_drop, "sluiced_verdicts_total", "verdict", "drop",                               \
	    "entries dropped by the handler")                                                      \
	X(failure_exit, "sluiced_failures_total", "failure", "exit", "failed exit statuses")       \
	X(failure_signal, "sluiced_failures_total", "failure", "signal",                           \
	    "handlers ended by a signal")                                                          \
	X(failure_timeout, "sluiced_failures_total", "failure", "timeout",                         \
	    "runs over handler.timeout")                                                           \
	X(failure_retry, "sluiced_failures_total", "failure", "retry",                             \
	    "failures the handler reported")                                                       \
	X(failure_broken, "sluiced_failures_total", "failure", "broken",                           \
	    "handlers that cannot work")                                                           \
	X(acked, "sluiced_acked_total", "", "", "entries acknowledged as done")                    \
	X(ack_missing, "sluiced_ack_missing_total", "", "",                                        \
	    "acknowledgements of entries no longer pending")                                       \
	X(once_skipped, "sluiced_once_skipped_total", "", "",                                      \
	    "acknowledged without a run: the guard key was set")                                   \
	X(dead_rejected, "sluiced_dead_lettered_total", "reason", "rejected",                      \
	    "the handler said dead")                                                               \
	X(dead_attempts, "sluiced_dead_lettered_total", "reason", "attempts", "out of attempts")   \
	X(dead_trimmed, "sluiced_dead_lettered_total", "reason", "trimmed",                        \
	    "data gone while pending")                                                             \
	X(dead_oversize, "sluiced_dead_lettered_total", "reason", "oversize",                      \
	    "over max_entry_bytes")                                                                \
	X(leases_lost, "sluiced_leases_lost_total", "", "",                                        \
	    "held entries that turned out to be another's")                                        \
	X(released, "sluiced_released_total", "", "", "entries given back")                        \
	X(trimmed, "sluiced_trimmed_total", "", "", "entries whose data was gone while pending")   \
	X(retention_removed, "sluiced_retention_removed_total", "", "",                            \
	    "entries that trim has removed from streams")                                          \
	X(reconnects, "sluiced_reconnects_total", "", "", "connections lost and made again")

struct stats {
#define X(name, metric, label, value, text) uint64_t name;
	STATS_COUNTERS(X)
#undef X
};

struct stats_row {
	const char *name, *metric, *label, *label_value, *text;
	uint64_t value;
};

/* Calls visit for each counter in the order of the list. */
void stats_each(const struct stats *s, void (*visit)(void *context, const struct stats_row *row),
    void *context);

#endif
