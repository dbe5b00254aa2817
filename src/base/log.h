/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log: one event a line, as text or JSON on standard error, or one event a record in
 * the journal. Nothing here blocks: what standard error or the journal does not take at once is
 * kept up to a bound, then dropped, counted and owned up to.
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

/*
 * AUTO is JOURNAL when fd is the journal's own stream, else TEXT. JOURNAL where no journal takes
 * records is TEXT, and a warning says so. Lines of TEXT on the journal's stream begin with their
 * priority, "<4>".
 */
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JOURNAL, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* The kinds of event: what we call it, its word, its MESSAGE_ID in the journal. Operators search
 * for the words and for the ids, and the catalog explains the ids: texts may change, these may not.
 */
#define LOG_EVENTS(X)                                                                              \
	X(STARTED, "started", "faf178f2dc034377907aa383e8614435")                                  \
	X(READY, "ready", "ce87a874a91c4042b00adc2f3f4cf0f8")                                      \
	X(RELOADED, "reloaded", "7704c8d80afc42a9a3ceadf33b32255a")                                \
	X(RELOAD_REFUSED, "reload_refused", "6f08f7ac147d4cfb967251e7e246bf45")                    \
	X(DRAINING, "draining", "0d95ac4b77dc498a9a22fa058ddbf729")                                \
	X(STOPPED, "stopped", "4ad5ab2c707e446a828dda8e0695878d")                                  \
	X(CONNECTED, "connected", "a401dddfb55249809fa9c7dee911a340")                              \
	X(DISCONNECTED, "disconnected", "6447176abaa04557a5f7821ddfa69c85")                        \
	X(REDIS_ERROR, "redis_error", "287168b9b11642998400c4b66fb0e1c4")                          \
	X(GROUP_CREATED, "group_created", "cbce3c69599e428eb4de6535a986b6aa")                      \
	X(GROUP_RECREATED, "group_recreated", "c8fc8289507341289c86a9549f8735a3")                  \
	X(NAME_IN_USE, "name_in_use", "d6c6331c921d42cca35961f57417867b")                          \
	X(VERDICT, "verdict", "254f296fdd1c424a9562ac81c6f87662")                                  \
	X(OUTPUT, "output", "1526c4b5e6f741c99de4498edbfc7db5")                                    \
	X(RETRY, "retry", "f0a73f1f39ac4cebbfebe536d246976d")                                      \
	X(DEAD_LETTERED, "dead_lettered", "1dd14850d2ee4c55bbbd51a5e211c5c4")                      \
	X(DEAD_LETTER_REFUSED, "dead_letter_refused", "ac5086c8c0bf494fb1c4db9147ce8268")          \
	X(CLAIMED, "claimed", "a6c2b82f5b094514ba8bbee2f32c2296")                                  \
	X(RECOVERED, "recovered", "d548592bf84f47bb8ac8762f46275665")                              \
	X(RELEASED, "released", "eba657daa64c4dc5a42362d9cf2cb5ee")                                \
	X(LEASE_LOST, "lease_lost", "c06db80eeef64c03a132044261889882")                            \
	X(TRIMMED, "trimmed", "1bfe8499fcc14ccdaadb8c8c8f52a497")                                  \
	X(BREAKER_OPEN, "breaker_open", "1b42d5e3617a480eb83d85baee5b90ae")                        \
	X(BREAKER_CLOSED, "breaker_closed", "927859bdba494555a6872702df8b4a91")                    \
	X(WORKER_STARTED, "worker_started", "12e82b87641e47c3b21c8d3895dd432a")                    \
	X(WORKER_ENDED, "worker_ended", "dda4e2c406f3424e81e2a8125d12cdbd")                        \
	X(PROTOCOL_ERROR, "protocol_error", "22f4f7be897c4b8b9c0955dae852e393")                    \
	X(BOUND_REACHED, "bound_reached", "e198e5acd6db4f128b8b1023c605d092")                      \
	X(BOUND_OVER, "bound_over", "e935dc2f03f84535b61540b243a4413a")                            \
	X(STALLED, "stalled", "2400f7d429f74298b28c6af4700a07a0")                                  \
	X(PAUSED, "paused", "8a7054f890854120bb9b4f0f20c6cd7f")                                    \
	X(RESUMED, "resumed", "44626100b8974352b88e186e5c29fbc9")                                  \
	X(ALERT, "alert", "50e6913d5fc146488ddedabb0e92232c")                                      \
	X(ALERT_OVER, "alert_over", "50aa810e63704e9facab97309f212036")                            \
	X(LOG_DROPPED, "log_dropped", "7c7bc642e1674ccda611801cf50828fa")                          \
	X(CONFIG_WARNING, "config_warning", "f21b5f4fc4834eeb8bb8247df8ac8895")

enum log_event {
#define X(name, word, message_id) EVENT_##name,
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

/* Gets an event in place of all that is said above; fields are never NULL. Must not log. */
typedef void log_take_fn(void *owner, enum log_level level, enum log_event event,
    const struct log_fields *fields, struct slice message);

struct log_settings {
	enum log_level level;
	enum log_format format;
	const char *instance; /* kept, not copied */
	int fd;
	log_take_fn *take; /* NULL: to fd or to the journal */
	void *owner;
};

/* Before this call the log is text at info on standard error. May be called again: what is not
 * written yet still goes where it was meant to go, if that is the journal, else to the new fd. */
void log_setup(const struct log_settings *settings);

/* 0, or -EINVAL for a word that is no level. */
int log_level_parse(struct slice word, enum log_level *ret_level) MUST_CHECK;

bool log_enabled(enum log_level level);

/* fields may be NULL. errno is preserved. */
void log_event(enum log_level level, enum log_event event, const struct log_fields *fields,
    const char *format, ...) PRINTF_LIKE(4, 5);

/* Like log_event, for one line of a handler's output: bytes of any kind. */
void log_output(enum log_level level, const struct log_fields *fields, struct slice line);

/* Writes what is gathered, as far as standard error and the journal take it. Whether that was all.
 */
bool log_flush(void);

/* Lines and records dropped since the start. */
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
