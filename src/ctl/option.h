/* SPDX-License-Identifier: MIT */
/* Every option of sluicectl, in one table; a command's row (ctl/command.h) says which it takes. */
#ifndef SLUICED_CTL_OPTION_H
#define SLUICED_CTL_OPTION_H

#include <stdint.h>

/* What follows the option. */
enum option_kind {
	OPTION_IS_FLAG,     /* nothing */
	OPTION_IS_TEXT,     /* any text but the empty one */
	OPTION_IS_NUMBER,   /* a number from 1 */
	OPTION_IS_DURATION, /* 500ms, 5m */
	OPTION_IS_RATE,     /* N/s: entries a second, from 1 */
};

/* name, word, letter or 0, kind, placeholder, help. The first ones are taken by every command. */
/* clang-format off */
#define CTL_OPTIONS(X)                                                                             \
	X(CONFIG, "config", 'c', TEXT, "FILE", "the daemon's configuration (default: /etc/sluiced/sluiced.yaml)") \
	X(INSTANCE, "instance", 0, TEXT, "NAME", "the daemon of that name, and /etc/sluiced/NAME.yaml") \
	X(SOCKET, "socket", 0, TEXT, "PATH", "the daemon's control socket")                        \
	X(URL, "url", 0, TEXT, "URL", "the server, instead of a configuration")                    \
	X(JSON, "json", 0, FLAG, "", "print JSON")                                                 \
	X(YES, "yes", 'y', FLAG, "", "do not ask")                                                 \
	X(DRY_RUN, "dry-run", 0, FLAG, "", "only say what would be done")                          \
	X(VERSION, "version", 0, FLAG, "", "print the version")                                    \
	X(HELP, "help", 'h', FLAG, "", "print help, of a command behind it")                       \
	X(STREAM, "stream", 0, TEXT, "S", "the stream; with --group instead of NAME")              \
	X(GROUP, "group", 0, TEXT, "G", "the group")                                               \
	X(CONSUMER, "consumer", 0, TEXT, "C", "a consumer of the group")                           \
	X(MAXLEN, "maxlen", 0, NUMBER, "N", "entries that stay in the stream")                     \
	X(OLDER_THAN, "older-than", 0, DURATION, "D", "entries older than this go")                \
	X(ACKNOWLEDGED, "acknowledged", 0, FLAG, "", "what every group has finished goes")         \
	X(NDJSON, "ndjson", 0, TEXT, "FILE", "an entry a line, from a file or - (standard input)") \
	X(FROM, "from", 0, TEXT, "ID", "where to begin; for claim: whose entries, a consumer") \
	X(TO, "to", 0, TEXT, "ID", "where to end, that one included")                                \
	X(COUNT, "count", 'n', NUMBER, "N", "at most so many")                                     \
	X(IDLE, "idle", 0, DURATION, "D", "idle for at least this long")                           \
	X(MIN_IDLE, "min-idle", 0, DURATION, "D", "only what nobody has touched for this long")    \
	X(PAYLOAD, "payload", 0, FLAG, "", "with the fields")                                      \
	X(HANDOVER, "handover", 0, FLAG, "", "give its entries to the configured consumer first")  \
	X(REASON, "reason", 0, TEXT, "R", "only with this reason")                                 \
	X(SINCE, "since", 0, DURATION, "D", "only those of the last D")                            \
	X(RATE, "rate", 0, RATE, "N/s", "at most so many a second")                                \
	X(AS_NEW, "as-new", 0, FLAG, "", "add the fields to the stream as a new entry, for every group") \
	X(FORCE, "force", 0, FLAG, "", "even what has been redriven ten times")
/* clang-format on */

enum ctl_option {
#define X(name, word, letter, kind, placeholder, help) OPTION_##name,
	CTL_OPTIONS(X)
#undef X
	    CTL_OPTION_COUNT
};

struct option_row {
	const char *word;
	char letter;
	enum option_kind kind;
	const char *placeholder, *help;
};

extern const struct option_row ctl_options[CTL_OPTION_COUNT];

/* A set of options, for a command's row: OPTIONS_OF(STREAM) | OPTIONS_OF(GROUP) */
#define OPTIONS_OF(name) ((uint64_t)1 << OPTION_##name)

/* What every command takes. */
#define OPTIONS_OF_ALL                                                                             \
	(OPTIONS_OF(CONFIG) | OPTIONS_OF(INSTANCE) | OPTIONS_OF(JSON) | OPTIONS_OF(HELP) |         \
	    OPTIONS_OF(VERSION))
/* What those take that talk to the daemon, that talk to Redis, and that change something. */
#define OPTIONS_OF_DAEMON OPTIONS_OF(SOCKET)
#define OPTIONS_OF_REDIS  (OPTIONS_OF(URL) | OPTIONS_OF(STREAM) | OPTIONS_OF(GROUP))
#define OPTIONS_OF_CHANGE (OPTIONS_OF(YES) | OPTIONS_OF(DRY_RUN))
/* What those take that are about dead-letter records. */
#define OPTIONS_OF_RECORDS (OPTIONS_OF(REASON) | OPTIONS_OF(SINCE) | OPTIONS_OF(COUNT))

#endif
