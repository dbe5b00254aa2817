/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log: one event a line, as text or JSON on standard error. Nothing here blocks: what
 * standard error does not take at once is kept up to a bound, then dropped, counted and owned up
 * to.
 *
 * Lines are gathered and written when the loop is about to sleep (log_flush); errors, warnings and
 * notices are written at once.
 */
#ifndef SLUICED_BASE_LOG_H
#define SLUICED_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"

/* error: somebody must act; warning: degraded or a failed attempt; notice: life cycle;
 * info: handler output and settled exceptions; debug: every entry. */
enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_NOTICE, LEVEL_INFO, LEVEL_DEBUG, LOG_LEVELS };

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JOURNAL, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* The kinds of event. Operators search for these words: texts may change, these may not. */
#define LOG_EVENTS(X)                                                                              \
	X(STARTED, "started")                                                                      \
	X(READY, "ready")                                                                          \
	X(RELOADED, "reloaded")                                                                    \
	X(RELOAD_REFUSED, "reload_refused")                                                        \
	X(DRAINING, "draining")                                                                    \
	X(STOPPED, "stopped")                                                                      \
	X(CONNECTED, "connected")                                                                  \
	X(DISCONNECTED, "disconnected")                                                            \
	X(REDIS_ERROR, "redis_error")                                                              \
	X(GROUP_CREATED, "group_created")                                                          \
	X(GROUP_RECREATED, "group_recreated")                                                      \
	X(NAME_IN_USE, "name_in_use")                                                              \
	X(VERDICT, "verdict")                                                                      \
	X(OUTPUT, "output")                                                                        \
	X(RETRY, "retry")                                                                          \
	X(DEAD_LETTERED, "dead_lettered")                                                          \
	X(DEAD_LETTER_REFUSED, "dead_letter_refused")                                              \
	X(CLAIMED, "claimed")                                                                      \
	X(RECOVERED, "recovered")                                                                  \
	X(RELEASED, "released")                                                                    \
	X(LEASE_LOST, "lease_lost")                                                                \
	X(TRIMMED, "trimmed")                                                                      \
	X(BREAKER_OPEN, "breaker_open")                                                            \
	X(BREAKER_CLOSED, "breaker_closed")                                                        \
	X(WORKER_STARTED, "worker_started")                                                        \
	X(WORKER_ENDED, "worker_ended")                                                            \
	X(PROTOCOL_ERROR, "protocol_error")                                                        \
	X(BOUND_REACHED, "bound_reached")                                                          \
	X(BOUND_OVER, "bound_over")                                                                \
	X(STALLED, "stalled")                                                                      \
	X(PAUSED, "paused")                                                                        \
	X(RESUMED, "resumed")                                                                      \
	X(ALERT, "alert")                                                                          \
	X(ALERT_OVER, "alert_over")                                                                \
	X(LOG_DROPPED, "log_dropped")                                                              \
	X(CONFIG_WARNING, "config_warning")

enum log_event {
#define X(name, word) EVENT_##name,
	LOG_EVENTS(X)
#undef X
	    LOG_EVENT_COUNT
};

/* A number that may be absent. */
struct log_number {
	bool set;
	uint64_t value;
};

static inline struct log_number log_number(uint64_t value)
{
	return (struct log_number){ .set = true, .value = value };
}

/* What an event is about; leave out what does not apply. Texts are borrowed for the call. */
struct log_fields {
	const char *consumer, *stream, *group;
	const char *entry_id;
	struct log_number attempt;
	const char *outcome; /* a verdict's word */
	const char *failure; /* a failure's word */
	struct log_number exit_status;
	const char *signal; /* "SIGSEGV" */
	struct log_number handler_pid;
	struct log_number duration_ms, delay_ms;
};

struct log_settings {
	enum log_level level;
	enum log_format format;
	const char *instance; /* kept, not copied */
	int fd;
};

/* Before this call the log is text at info on standard error. May be called again. */
void log_setup(const struct log_settings *settings);

/* 0, or -EINVAL for a word that is no level. */
int log_level_parse(struct slice word, enum log_level *ret_level) MUST_CHECK;

bool log_enabled(enum log_level level);

/* fields may be NULL. errno is preserved. */
void log_event(enum log_level level, enum log_event event, const struct log_fields *fields,
    const char *format, ...) PRINTF_LIKE(4, 5);

/* Like log_event, for one line of a handler's output: bytes of any kind. */
void log_output(enum log_level level, const struct log_fields *fields, struct slice line);

/* Writes what is gathered, as far as standard error takes it. */
void log_flush(void);

/* Lines dropped since the start. */
uint64_t log_dropped_total(void);

/*
 * Keeps something that repeats from filling the log: true at most once in an interval, and then
 * tells how many were held back since. Zero-initialise.
 */
struct log_limit {
	uint64_t open_at_ms; /* monotonic */
	uint64_t held_back;
};

bool log_limit_pass(struct log_limit *l, uint64_t now_ms, uint64_t interval_ms,
    uint64_t *ret_held_back);

#endif
