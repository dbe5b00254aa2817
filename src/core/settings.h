/* SPDX-License-Identifier: MIT */
/*
 * What a user can set, as plain values. Filled from the configuration file by config/, which owns
 * every string and list in here; read by everybody else, written by nobody after the load.
 */
#ifndef SLUICED_CORE_SETTINGS_H
#define SLUICED_CORE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/entryid.h"
#include "core/redisurl.h"

/* items is NULL, or has a NULL behind the last. */
struct string_list {
	char **items;
	size_t len;
};

/* Name and value pairs in file order. */
struct string_map {
	char **names, **values;
	size_t len;
};

struct tls_settings {
	char *ca_file, *ca_dir, *cert_file, *key_file, *server_name;
	bool verify;
};

/* Holds what the URL said too: its user and password are moved here. At most one way to a password
 * is set. */
struct secret_settings {
	char *username, *password, *password_file, *password_credential;
};

struct sentinel_settings {
	char *master;
	struct string_list nodes;
	struct secret_settings secret;
	struct tls_settings tls;
	bool use_tls; /* a key of tls is set */
};

struct redis_settings {
	struct redisurl url;
	struct secret_settings secret;
	struct tls_settings tls;
	struct sentinel_settings sentinel;
	bool cluster;
	struct string_list nodes;
	uint64_t connect_timeout_ms;
	uint64_t reconnect_initial_ms, reconnect_max_ms;
	uint64_t keepalive_ms;
};

struct daemon_settings {
	char *instance;
	char *runtime_dir;         /* absolute; the default rule applied */
	struct string_list listen; /* as written, paths made absolute; the default filled in */
	uint64_t drain_timeout_ms;
	int log_level;  /* enum log_level */
	int log_format; /* enum log_format */
	uint64_t max_in_flight_bytes;
};

enum missing_group { MISSING_GROUP_CREATE, MISSING_GROUP_WAIT, MISSING_GROUP_FAIL };

/* Where a group that does not exist yet begins. */
enum group_start_kind { START_BEGINNING, START_END, START_AT_ID };

struct group_start {
	enum group_start_kind kind;
	struct entryid id; /* START_AT_ID */
};

struct read_settings {
	uint64_t count;
	uint64_t block_ms;
	uint64_t max_held;
};

enum handler_mode { HANDLER_EXEC, HANDLER_WORKER };
enum verdict_channel { VERDICTS_FD3, VERDICTS_STDOUT };
enum stdin_kind { STDIN_JSON, STDIN_NONE, STDIN_FIELD };

struct stdin_settings {
	enum stdin_kind kind;
	char *field; /* STDIN_FIELD */
};

/* What an exit status means; the default rows of the protocol with the user's on top. */
enum exit_meaning {
	EXIT_MEANS_OK,
	EXIT_MEANS_RETRY,
	EXIT_MEANS_DEAD,
	EXIT_MEANS_DROP,
	EXIT_MEANS_BROKEN
};

struct exit_codes {
	uint8_t meaning[256]; /* enum exit_meaning, by exit status */
};

enum { HANDLER_CONCURRENCY_MAX = 10000 };

struct handler_settings {
	struct string_list command; /* argv; a relative path of the program made absolute */
	char *program;              /* what command[0] was found to be: an absolute path */
	enum handler_mode mode;
	uint64_t concurrency; /* processes */
	uint64_t window;      /* entries outstanding in one worker */
	bool parallel;
	enum verdict_channel verdicts;
	struct stdin_settings stdin_from;
	uint64_t timeout_ms, kill_grace_ms, start_timeout_ms;
	bool ready;
	char *working_directory;
	struct string_map environment;
	struct string_list environment_fields;
	struct exit_codes exit_codes;
	uint64_t files_stamp; /* another one when the program, or a file among its arguments, is */
};

struct retry_settings {
	uint64_t max_attempts; /* 0: for ever */
	uint64_t initial_delay_ms, max_delay_ms;
	double multiplier;
	bool jitter;
};

struct claim_settings {
	uint64_t min_idle_ms; /* the lease */
	uint64_t interval_ms;
	uint64_t count;
};

struct dead_letter_settings {
	bool off;
	char *stream;    /* NULL: a default for each of several streams */
	bool same_slot;  /* the default is in the slot of its stream: "{<stream>}:dead" */
	uint64_t maxlen; /* 0: none */
};

/* The guard against doing an entry twice. */
struct once_settings {
	uint64_t ttl_ms; /* 0: none */
	char *key;       /* a pattern: core/guardkey.h */
};

struct breaker_settings {
	uint64_t failures, streak, cooldown_ms;
};

/* 0: not watched. */
struct alert_settings {
	uint64_t lag, pending; /* entries */
	uint64_t oldest_ms;
};

/* At most one of the first three; none: the stream is not trimmed. */
struct trim_settings {
	uint64_t maxlen, max_age_ms;
	bool acknowledged;
	uint64_t interval_ms;
};

struct consumer_settings {
	char *name;                 /* the key in the file */
	struct string_list streams; /* expanded */
	char *group;
	char *consumer; /* expanded: the name in the group */
	struct group_start start;
	enum missing_group on_missing_group;
	struct read_settings read;
	uint64_t max_entry_bytes;
	struct handler_settings handler;
	struct retry_settings retry;
	struct claim_settings claim;
	struct dead_letter_settings dead_letter;
	struct once_settings once;
	struct breaker_settings breaker;
	struct alert_settings alerts;
	struct trim_settings trim;
};

#endif
