/* SPDX-License-Identifier: MIT */
/*
 * The rows stand in the order in which they are printed; those of one mapping stand together.
 * Documentation of a row is one sentence or two, read in editors, in the reference file and, in
 * other words, in sluiced.yaml(5).
 */
#include <string.h>

#include "base/compiler.h"
#include "config/types.h"

#define REDIS(key, member)                                                                         \
                                                                                                   \
	.scope = SCOPE_REDIS, .path = key, .offset = offsetof(struct redis_settings, member)
#define DAEMON(key, member)                                                                        \
                                                                                                   \
	.scope = SCOPE_DAEMON, .path = key, .offset = offsetof(struct daemon_settings, member)
#define CONSUMER(key, member)                                                                      \
                                                                                                   \
	.scope = SCOPE_CONSUMER, .path = key, .offset = offsetof(struct consumer_settings, member)

#define SECONDS(n) ((uint64_t)(n)*1000)
#define HOURS(n)   SECONDS(3600 * (uint64_t)(n))
#define DAYS(n)    HOURS(24 * (uint64_t)(n))
#define MIB(n)     ((uint64_t)(n)*1024 * 1024)

static const char *const level_words[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const format_words[] = { "auto", "journal", "text", "json", NULL };
static const char *const missing_group_words[] = { "create", "wait", "fail", NULL };
static const char *const mode_words[] = { "exec", "worker", NULL };
static const char *const verdicts_words[] = { "fd3", "stdout", NULL };

/* clang-format off */
const struct option options[] = {
	{ REDIS("url", url), .type = &type_url, .fallback = REDISURL_DEFAULT,
	  .doc = "Where Redis is: redis://[user@]host[:port][/db], rediss://... (TLS) or "
	         "unix:///path/to.sock[?db=N]. A password in the URL works, with a warning." },
	{ REDIS("username", secret.username), .type = &type_text,
	  .doc = "User of the access control list; without one, Redis's default user." },
	{ REDIS("password", secret.password), .type = &type_secret,
	  .doc = "The password itself; password_file and password_credential keep it out of this "
	         "file. At most one of the three." },
	{ REDIS("password_file", secret.password_file), .type = &type_path,
	  .doc = "File that holds the password, not readable by group or others. One trailing "
	         "newline is dropped; it is read again at every connect. A relative path starts at "
	         "the directory of this file." },
	{ REDIS("password_credential", secret.password_credential), .type = &type_word,
	  .doc = "Name of a file with the password below $CREDENTIALS_DIRECTORY." },
	{ REDIS("tls.ca_file", tls.ca_file),
	  .type = &type_path, .fallback_note = "the system's authorities",
	  .doc = "Certificates of the authorities to trust, in one file. A relative path starts at "
	         "the directory of this file." },
	{ REDIS("tls.ca_dir", tls.ca_dir),
	  .type = &type_path, .fallback_note = "the system's authorities",
	  .doc = "Certificates of the authorities to trust, in a directory, named by their hashes "
	         "(openssl rehash). A relative path starts at the directory of this file." },
	{ REDIS("tls.cert_file", tls.cert_file), .type = &type_path,
	  .doc = "Certificate to show to the server, with its chain, as PEM. What is new in a TLS "
	         "file is used from the next connect on. A relative path starts at the directory "
	         "of this file." },
	{ REDIS("tls.key_file", tls.key_file), .type = &type_path, .fallback_note = "cert_file",
	  .doc = "Private key of cert_file, without a passphrase. A relative path starts at the "
	         "directory of this file." },
	{ REDIS("tls.server_name", tls.server_name),
	  .type = &type_text, .fallback_note = "the host that is connected to",
	  .doc = "Name to ask for (SNI) and that the server's certificate must carry." },
	{ REDIS("tls.verify", tls.verify),
	  .type = &type_bool, .fallback = "true",
	  .doc = "Check the server's certificate. Without it anybody can pose as the server; every "
	         "start then warns." },
	{ REDIS("sentinel.master", sentinel.master), .type = &type_text,
	  .doc = "Name of the master to ask the Sentinels for, instead of the host of url." },
	{ REDIS("sentinel.nodes", sentinel.nodes), .type = &type_nodes,
	  .doc = "The Sentinels, as HOST:PORT. All are asked at every connect." },
	{ REDIS("sentinel.username", sentinel.secret.username), .type = &type_text,
	  .doc = "User of the Sentinels' access control list." },
	{ REDIS("sentinel.password", sentinel.secret.password), .type = &type_secret,
	  .doc = "Password of the Sentinels; that of Redis is not used for them." },
	{ REDIS("sentinel.password_file", sentinel.secret.password_file), .type = &type_path,
	  .doc = "File that holds the password of the Sentinels. A relative path starts at the "
	         "directory of this file." },
	{ REDIS("sentinel.password_credential", sentinel.secret.password_credential),
	  .type = &type_word,
	  .doc = "Name of a file with the password of the Sentinels below "
	         "$CREDENTIALS_DIRECTORY." },
	{ REDIS("sentinel.tls.ca_file", sentinel.tls.ca_file),
	  .type = &type_path, .fallback_note = "the system's authorities",
	  .doc = "Like tls.ca_file, for the Sentinels." },
	{ REDIS("sentinel.tls.ca_dir", sentinel.tls.ca_dir),
	  .type = &type_path, .fallback_note = "the system's authorities",
	  .doc = "Like tls.ca_dir, for the Sentinels." },
	{ REDIS("sentinel.tls.cert_file", sentinel.tls.cert_file),
	  .type = &type_path,
	  .doc = "Like tls.cert_file, for the Sentinels." },
	{ REDIS("sentinel.tls.key_file", sentinel.tls.key_file),
	  .type = &type_path,
	  .doc = "Like tls.key_file, for the Sentinels." },
	{ REDIS("sentinel.tls.server_name", sentinel.tls.server_name),
	  .type = &type_text, .fallback_note = "the host of the node",
	  .doc = "Like tls.server_name, for the Sentinels." },
	{ REDIS("sentinel.tls.verify", sentinel.tls.verify),
	  .type = &type_bool, .fallback = "true",
	  .doc = "Like tls.verify, for the Sentinels. Any key of sentinel.tls turns TLS on for them; "
	         "rediss:// does not." },
	{ REDIS("cluster", cluster), .type = &type_bool, .fallback = "false",
	  .doc = "url is one of the seeds of a Redis Cluster." },
	{ REDIS("nodes", nodes), .type = &type_nodes,
	  .doc = "Further seeds of the cluster, as HOST:PORT." },
	{ REDIS("connect_timeout", connect_timeout_ms),
	  .type = &type_duration, .fallback = "5s", .min = 1, .max = HOURS(1),
	  .doc = "Longest time to connect, with name resolution, TLS and AUTH." },
	{ REDIS("reconnect.initial", reconnect_initial_ms),
	  .type = &type_duration, .fallback = "100ms", .min = 1, .max = HOURS(1),
	  .doc = "First delay before connecting again. It doubles up to reconnect.max; each delay "
	         "lies between half and the whole of it." },
	{ REDIS("reconnect.max", reconnect_max_ms),
	  .type = &type_duration, .fallback = "10s", .min = 1, .max = HOURS(1),
	  .doc = "Longest delay before connecting again." },
	{ REDIS("keepalive", keepalive_ms),
	  .type = &type_duration, .fallback = "15s", .min = SECONDS(1), .max = HOURS(1),
	  .doc = "TCP keepalive and TCP_USER_TIMEOUT: a dead connection is noticed after about so "
	         "long." },

	{ DAEMON("instance", instance), .change = CHANGES_DAEMON,
	  .type = &type_word, .fallback = "default",
	  .doc = "Name of this daemon: part of its lock, of its runtime directory and %i. One "
	         "word." },
	{ DAEMON("runtime_dir", runtime_dir), .change = CHANGES_DAEMON, .type = &type_path,
	  .fallback_note =
	      "$RUNTIME_DIRECTORY, else /run/sluiced as root, else "
	      "$XDG_RUNTIME_DIR/sluiced, else /tmp/sluiced-UID; but for the first, "
	      "/INSTANCE is appended unless the instance is \"default\"",
	  .doc = "Holds the lock and the control socket. A relative path starts at the directory "
	         "of this file." },
	{ DAEMON("listen", listen), .change = CHANGES_DAEMON,
	  .type = &type_listen, .fallback_note = "[unix:RUNTIME_DIR/control.sock]",
	  .doc = "Where the control interface listens: unix:PATH (mode 0600, or "
	         "?mode=0660&group=NAME) and HOST:PORT, which serves only the read-only pages. A "
	         "relative PATH starts at the directory of this file." },
	{ DAEMON("drain_timeout", drain_timeout_ms),
	  .type = &type_duration, .fallback = "30s", .min = 0, .max = DAYS(1),
	  .doc = "How long a stop lets running handlers finish." },
	{ DAEMON("log.level", log_level),
	  .type = &type_enum, .words = level_words, .fallback = "info",
	  .doc = "What is logged: this level and the ones before it." },
	{ DAEMON("log.format", log_format),
	  .type = &type_enum, .words = format_words, .fallback = "auto",
	  .doc = "Form of the log on standard error; auto is journal when that is the journal's "
	         "stream, else text." },
	{ DAEMON("max_in_flight_bytes", max_in_flight_bytes),
	  .type = &type_size, .fallback = "256MiB", .min = 1, .max = MIB(1024) * 1024,
	  .doc = "Reading stops while the entries held by all consumers are larger than this "
	         "together." },

	{ CONSUMER("stream", streams), .change = CHANGES_IDENTITY, .type = &type_stream,
	  .doc = "The stream to read; either this or streams is required. events:{0..15} stands "
	         "for sixteen streams, events:0 to events:15; other braces stay." },
	{ CONSUMER("streams", streams), .change = CHANGES_IDENTITY, .type = &type_streams,
	  .doc = "Several streams, which share the handlers and are served fairly. Ranges as in "
	         "stream." },
	{ CONSUMER("group", group), .change = CHANGES_IDENTITY,
	  .type = &type_text, .required = true,
	  .doc = "The consumer group." },
	{ CONSUMER("consumer", consumer), .change = CHANGES_IDENTITY,
	  .type = &type_consumer_name, .fallback = "%H.%i.%n",
	  .doc = "Name in the group; it must stay the same over restarts. %H is the host, %i the "
	         "instance, %n the consumer's name here, %% a percent sign." },
	{ CONSUMER("start", start), .type = &type_start, .fallback = "beginning",
	  .doc = "Where a group begins that does not exist yet: beginning, end, or the id of an "
	         "entry, behind which it begins." },
	{ CONSUMER("on_missing_group", on_missing_group),
	  .type = &type_enum, .words = missing_group_words, .fallback = "create",
	  .doc = "What to do when the group does not exist: create it, and the stream; wait for "
	         "it; or fail, which stops this consumer only." },
	{ CONSUMER("read.count", read.count),
	  .type = &type_number, .fallback = "100", .min = 1, .max = 10000,
	  .doc = "Most entries asked for in one read." },
	{ CONSUMER("read.block", read.block_ms),
	  .type = &type_duration, .fallback = "2s", .min = 100, .max = SECONDS(60),
	  .doc = "How long one read waits for entries." },
	{ CONSUMER("read.max_held", read.max_held),
	  .type = &type_number, .fallback = "10000", .min = 1, .max = 10000000,
	  .doc = "Most entries held at once in all states, those waiting for a retry included; at "
	         "the bound reading stops." },
	{ CONSUMER("max_entry_bytes", max_entry_bytes),
	  .type = &type_size, .fallback = "16MiB", .min = 1, .max = MIB(512),
	  .doc = "A larger entry is dead-lettered with the reason oversize." },
	{ CONSUMER("handler.command", handler.command), .change = CHANGES_HANDLER,
	  .type = &type_command, .required = true,
	  .doc = "The program and its arguments; no shell is involved. The program is looked up in "
	         "PATH, or, with a slash, taken as a path, a relative one from the directory of "
	         "this file. It must be executable when the file is loaded." },
	{ CONSUMER("handler.mode", handler.mode), .change = CHANGES_HANDLER,
	  .type = &type_enum, .words = mode_words, .fallback = "exec",
	  .doc = "exec starts a process for each entry; worker keeps processes running and gives "
	         "them entry after entry." },
	{ CONSUMER("handler.concurrency", handler.concurrency), .change = CHANGES_HANDLER,
	  .type = &type_number, .fallback = "1", .min = 1, .max = HANDLER_CONCURRENCY_MAX,
	  .doc = "Processes at the same time." },
	{ CONSUMER("handler.window", handler.window), .change = CHANGES_HANDLER,
	  .mode = WORKER_MODE_ONLY, .type = &type_number, .fallback = "1", .min = 1, .max = 10000,
	  .doc = "Worker mode: most entries outstanding in one process." },
	{ CONSUMER("handler.parallel", handler.parallel), .change = CHANGES_HANDLER,
	  .mode = WORKER_MODE_ONLY, .type = &type_bool, .fallback = "false",
	  .doc = "Worker mode: the worker does the entries of its window side by side, so each has "
	         "its own clock." },
	{ CONSUMER("handler.verdicts", handler.verdicts), .change = CHANGES_HANDLER,
	  .type = &type_enum, .words = verdicts_words, .fallback = "fd3",
	  .doc = "Where verdict lines are read: file descriptor 3, or standard output for programs "
	         "that cannot pass a descriptor on." },
	{ CONSUMER("handler.stdin", handler.stdin_from), .change = CHANGES_HANDLER,
	  .mode = EXEC_MODE_ONLY, .type = &type_stdin, .fallback = "json",
	  .doc = "Exec mode: standard input is the entry as JSON, none of it, or \"field NAME\", "
	         "the value of one field." },
	{ CONSUMER("handler.timeout", handler.timeout_ms), .change = CHANGES_HANDLER,
	  .type = &type_duration, .fallback = "30s", .min = 1, .max = DAYS(7),
	  .doc = "Longest run of an entry." },
	{ CONSUMER("handler.kill_grace", handler.kill_grace_ms), .change = CHANGES_HANDLER,
	  .type = &type_duration, .fallback = "5s", .min = 0, .max = HOURS(1),
	  .doc = "Time between SIGTERM and SIGKILL for the process group of a handler." },
	{ CONSUMER("handler.start_timeout", handler.start_timeout_ms), .change = CHANGES_HANDLER,
	  .mode = WORKER_MODE_ONLY, .type = &type_duration, .fallback = "10s",
	  .min = 1, .max = HOURS(1),
	  .doc = "Worker mode with handler.ready: longest time until the worker says ready." },
	{ CONSUMER("handler.ready", handler.ready), .change = CHANGES_HANDLER,
	  .mode = WORKER_MODE_ONLY, .type = &type_bool, .fallback = "false",
	  .doc = "Worker mode: send nothing before the worker says ready." },
	{ CONSUMER("handler.working_directory", handler.working_directory), .change = CHANGES_HANDLER,
	  .type = &type_path, .fallback = "/",
	  .doc = "Directory that the handler is started in. A relative path starts at the "
	         "directory of this file." },
	{ CONSUMER("handler.environment", handler.environment), .change = CHANGES_HANDLER,
	  .type = &type_environment, .fallback = "{}",
	  .doc = "Variables added to the environment of the handler; a consumer's are laid over "
	         "those of defaults." },
	{ CONSUMER("handler.environment_fields", handler.environment_fields), .change = CHANGES_HANDLER,
	  .mode = EXEC_MODE_ONLY, .type = &type_names, .fallback = "[]",
	  .doc = "Exec mode: fields of the entry that the handler gets as SLUICE_FIELD_NAME." },
	{ CONSUMER("handler.exit_codes", handler.exit_codes), .change = CHANGES_HANDLER,
	  .type = &type_exit_codes,
	  .fallback_note =
	      "{0: ok, 64: broken, 65: dead, 78: broken, 126: broken, 127: broken}, "
	      "every other one retry",
	  .doc = "What an exit status means: ok, retry, dead, drop or broken. Laid over the "
	         "default." },
	{ CONSUMER("retry.max_attempts", retry.max_attempts), .change = CHANGES_HANDLER,
	  .type = &type_number, .fallback = "8", .min = 0, .max = 1000000,
	  .doc = "Attempts before an entry is dead-lettered; 0 is for ever." },
	{ CONSUMER("retry.initial_delay", retry.initial_delay_ms),
	  .type = &type_duration, .fallback = "1s", .min = 0, .max = DAYS(30),
	  .doc = "Delay before the second attempt." },
	{ CONSUMER("retry.max_delay", retry.max_delay_ms),
	  .type = &type_duration, .fallback = "5m", .min = 0, .max = DAYS(30),
	  .doc = "Longest delay between attempts." },
	{ CONSUMER("retry.multiplier", retry.multiplier),
	  .type = &type_decimal, .fallback = "3", .min = 1, .max = 1000,
	  .doc = "Each delay is the one before times this." },
	{ CONSUMER("retry.jitter", retry.jitter), .type = &type_bool, .fallback = "true",
	  .doc = "Each delay lies between half and the whole of it, so that failures do not come "
	         "back together." },
	{ CONSUMER("claim.min_idle", claim.min_idle_ms),
	  .type = &type_duration, .fallback = "60s", .min = SECONDS(1), .max = DAYS(7),
	  .doc = "The lease: an entry of another consumer that is idle for longer is taken over. "
	         "Should be three times read.block or more." },
	{ CONSUMER("claim.interval", claim.interval_ms),
	  .type = &type_duration, .fallback_note = "a quarter of claim.min_idle",
	  .min = 10, .max = DAYS(7),
	  .doc = "Time between sweeps for such entries, give or take a tenth." },
	{ CONSUMER("claim.count", claim.count),
	  .type = &type_number, .fallback = "100", .min = 1, .max = 1000,
	  .doc = "Most entries taken over at a time." },
	{ CONSUMER("dead_letter.stream", dead_letter.stream), .change = CHANGES_IDENTITY,
	  .type = &type_dead_letter, .fallback_note = "STREAM:dead",
	  .doc = "Stream that takes the entries which cannot be handled; off retries them at "
	         "max_delay for ever." },
	{ CONSUMER("dead_letter.maxlen", dead_letter.maxlen),
	  .type = &type_number, .min = 1, .max = 1000000000000,
	  .doc = "Approximate cap of the dead-letter stream. Trimming it loses records, so there "
	         "is no default." },
	{ CONSUMER("once.ttl", once.ttl_ms),
	  .type = &type_duration, .min = 1, .max = DAYS(365),
	  .doc = "How long an entry that is done is guarded against being done again, by a key in "
	         "Redis; without it nothing is. It narrows the window for doing work twice and does "
	         "not close it." },
	{ CONSUMER("once.key", once.key),
	  .type = &type_guard_key, .fallback = "{%s}:once:%g:%i",
	  .doc = "That key: %s is the stream, %g the group, %i the id of the entry, %f{NAME} a "
	         "field, %% a percent sign; {%s} is in the slot of the stream. An entry without the "
	         "field is not guarded." },
	{ CONSUMER("breaker.failures", breaker.failures),
	  .type = &type_number, .fallback = "5", .min = 1, .max = 1000000,
	  .doc = "So many signs of a broken handler in a row open the breaker." },
	{ CONSUMER("breaker.streak", breaker.streak),
	  .type = &type_number, .fallback = "20", .min = 0, .max = 1000000,
	  .doc = "So many different entries failing in a row open it too; 0 turns that off." },
	{ CONSUMER("breaker.cooldown", breaker.cooldown_ms),
	  .type = &type_duration, .fallback = "5s", .min = 1, .max = DAYS(1),
	  .doc = "How long the breaker stays open before one entry is tried; doubles up to five "
	         "minutes." },
	{ CONSUMER("alerts.lag", alerts.lag),
	  .type = &type_number, .min = 1, .max = 1000000000000,
	  .doc = "Warn in the log when more entries than this wait to be read, and say when it is "
	         "over: at four fifths of it." },
	{ CONSUMER("alerts.pending", alerts.pending),
	  .type = &type_number, .min = 1, .max = 1000000000000,
	  .doc = "The same for entries that are pending." },
	{ CONSUMER("alerts.oldest", alerts.oldest_ms),
	  .type = &type_duration, .min = 1, .max = DAYS(365),
	  .doc = "The same for the age of the oldest pending entry." },
	{ CONSUMER("trim.maxlen", trim.maxlen),
	  .type = &type_number, .min = 1, .max = 1000000000000,
	  .doc = "Keep about so many entries in the stream, and remove older ones, read or not. At "
	         "most one of maxlen, max_age and acknowledged." },
	{ CONSUMER("trim.max_age", trim.max_age_ms),
	  .type = &type_duration, .min = SECONDS(1), .max = DAYS(3650),
	  .doc = "Remove entries that are older than this by the time in their id, read or not." },
	{ CONSUMER("trim.acknowledged", trim.acknowledged),
	  .type = &type_bool, .fallback = "false",
	  .doc = "Remove entries that every group of the stream has acknowledged, up to the first "
	         "that one of them has still to read or to acknowledge." },
	{ CONSUMER("trim.interval", trim.interval_ms),
	  .type = &type_duration, .fallback = "1m", .min = SECONDS(1), .max = DAYS(1),
	  .doc = "Time between trims. One daemon of the group at a time does it." },
};
/* clang-format on */

const size_t n_options = ARRAY_LEN(options);

const char *option_scope_name(enum option_scope scope)
{
	static const char *const names[] = {
		[SCOPE_REDIS] = "redis",
		[SCOPE_DAEMON] = "daemon",
		[SCOPE_CONSUMER] = "consumers.NAME",
	};

	return names[scope];
}

const struct option *option_find(enum option_scope scope, struct slice path)
{
	for (size_t i = 0; i < n_options; i++) {
		if (options[i].scope == scope && slice_is(path, options[i].path))
			return &options[i];
	}
	return NULL;
}

bool option_is_group(enum option_scope scope, struct slice path)
{
	for (size_t i = 0; i < n_options; i++) {
		if (options[i].scope == scope && strlen(options[i].path) > path.len &&
		    strncmp(options[i].path, path.data, path.len) == 0 &&
		    options[i].path[path.len] == '.')
			return true;
	}
	return false;
}

bool option_applies(const struct option *o, const void *section)
{
	const struct redis_settings *r = section;
	const struct consumer_settings *c = section;

	/* Any key of it, even one that says what is the default, turns TLS on. */
	if (o->scope == SCOPE_REDIS)
		return (r->sentinel.master && r->sentinel.use_tls) ||
		       strncmp(o->path, "sentinel.tls.", 13) != 0;
	if (o->mode == ANY_MODE)
		return true;
	return (o->mode == WORKER_MODE_ONLY) == (c->handler.mode == HANDLER_WORKER);
}

bool option_is_fallback(const struct option *o, const struct ynode *value)
{
	if (o->type->empty_fallback)
		return value->kind != YNODE_SCALAR && !value->len;
	return o->fallback && value->kind == YNODE_SCALAR && strcmp(value->text, o->fallback) == 0;
}
