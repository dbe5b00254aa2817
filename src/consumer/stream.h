/* SPDX-License-Identifier: MIT */
/*
 * Inside consumer/: one stream of a consumer and its parts. Each part has a file of its own, which
 * alone writes its struct:
 *
 *   reader.c  group.c  begin.c  settler.c (XACK)  undertaker.c (dead letters)  release.c
 *   lease.c  sweeper.c  recovery.c (our own pending list)  pendingwalk.c (pages of either's)
 *   name.c  twin.c  probe.c  retention.c
 *   once.c (the guard against a second run)  arrival.c (what comes in)  verdict.c (what comes back)
 */
#ifndef SLUICED_CONSUMER_STREAM_H
#define SLUICED_CONSUMER_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "consumer/consumer.h"
#include "consumer/pendingwalk.h"
#include "consumer/status.h"
#include "core/alert.h"
#include "core/backoff.h"
#include "core/breaker.h"
#include "core/credit.h"
#include "core/deadletter.h"
#include "core/guardkey.h"
#include "core/histogram.h"
#include "core/policy.h"
#include "core/sightings.h"
#include "redis/conn.h"
#include "redis/keyspace.h"

struct stream;

/* Something that is tried again after a growing pause, because Redis refused it. */
struct pause {
	ev_timer timer;
	struct backoff backoff;
};

/* ---- the group ---- */

enum group_state {
	GROUP_UNKNOWN, /* not asked since the server came up */
	GROUP_ASKED,
	GROUP_READY,
	GROUP_STOPPED, /* missing, and on_missing_group says fail */
};

struct group {
	enum group_state state;
	bool has_lowest;
	struct entryid lowest;         /* of the group's pending list, when last looked at */
	char start[ENTRYID_TEXT_SIZE]; /* where it was made to begin */
	bool seen;                     /* it existed once: if it is missing now, it has vanished */
	bool was_missing;              /* on_missing_group: wait; said so in the log */
	struct pause pause;
};

/* ---- reading ---- */

struct read_request {
	uint32_t count; /* 0: not in use */
	uint64_t sent_at_ms;
};

enum { READS_OUTSTANDING = 4 };

struct reader {
	struct conn *conn;
	struct read_request requests[READS_OUTSTANDING];
	unsigned n_outstanding;
	uint32_t count_max;    /* read.count, less at first and after replies that never arrived */
	bool lost_reply;       /* count_max is less because of one */
	bool hungry;           /* the last reply was full: there is more */
	bool spare_read;       /* the outstanding read is the blocked one beyond the room */
	struct list_node node; /* on the consumer's list of hungry or of quiet streams */
	struct pause pause;
	enum redis_error last_error; /* that started the pause */
	struct recent arrived;
	struct fine_timer gather; /* entries come so densely that some are let gather */
	struct largest largest;   /* recent entries, in bytes */
	struct entryid last_id;   /* the last one read as new */
};

/* ---- telling Redis what became of entries ---- */

enum { ACKS_OUTSTANDING = 2 };

struct settler {
	uint32_t batches[ACKS_OUTSTANDING]; /* sizes of the unanswered XACKs, oldest first */
	unsigned n_batches;
	struct entry *last_sent; /* the sent ones are the front of the ACKING list, up to here */
	uint32_t n_setting;      /* without scripts: SETs of the one batch, before its XACK */
	bool set_refused;        /* one of them was */
	bool is_riding;          /* the one unanswered batch went over the reader's connection */
	struct list_node node;   /* on the consumer's list of streams with something to tell */
	struct log_limit missing_log;
	struct pause pause;
};

struct once {
	struct guardkey *pattern; /* NULL: no guard */
	bool asked;               /* an MGET is on its way */
	struct pause pause;
};

struct undertaker {
	struct home home; /* of the dead-letter stream, where that is in another slot */
	unsigned n_asked;
	struct pause pause;
	struct log_limit refused_log;
};

struct releaser {
	struct pause pause;
};

/* ---- keeping and finding ---- */

struct lease {
	ev_timer timer;
	unsigned n_asked;       /* renewals without a reply */
	uint64_t all_before_ms; /* what is staler than this is renewed at once */
};

struct sweeper {
	ev_timer timer;
	struct pendingwalk walk;
	bool claiming;          /* what a page has found; the walk waits for it */
	bool given_back;        /* something was released during this round */
	uint64_t not_before_ms; /* after a connect others renew first */
	struct log_limit refused_log;
};

enum name_state { NAME_UNKNOWN, NAME_WATCHED, NAME_IN_USE, NAME_OURS };

struct name_check {
	enum name_state state;
	ev_timer timer;
	uint64_t seen_at_ms;
};

/* Our own pending list compared with the table of held ids. */
struct recovery {
	ev_timer timer; /* the next page, or else the next scan */
	struct pendingwalk walk;
	uint64_t again_at_ms; /* then it is scanned once more; 0: no more */
	bool complete;        /* the scan before the first read is over */
	size_t n_taken;       /* by the current scan */
};

/* Another daemon that goes by our name. */
struct twin {
	struct sightings *sightings; /* rows on our name that are not held; NULL: none yet */
	uint64_t until_ms;           /* it is taken to be about */
	bool told;
	struct log_limit log;
};

struct beginner {
	uint32_t batch_max;    /* BATCH_MAX, less after replies that never arrived */
	bool alone;            /* the one on its way shall be the only one of the stream */
	ev_timer timer;        /* the next waiting entry falls due */
	struct list_node node; /* on the consumer's list of streams with due entries */
	struct pause pause;
};

/* The last error reply, for people. */
struct complaint {
	enum redis_error class;
	uint64_t at_ms; /* 0: none yet */
	char *text;     /* NULL: none yet */
};

struct alerts {
	struct alert lag, pending, oldest;
};

/* The stream is kept from growing. */
struct retention {
	char *lock; /* the key by which the daemons of the group take turns */
	ev_timer timer;
	bool asked;
	uint64_t asked_at_ms;
	uint64_t until_ms;  /* the round under way goes on until then at most; 0: none is */
	uint64_t n_removed; /* in this round */
	bool said_off;
	struct log_limit lost_log;
};

struct stream {
	struct consumer *consumer;
	struct origin origin;
	char *name;
	char *dead_letters; /* NULL: off */
	struct home home;
	struct entryset entries;
	struct log_limit error_log;
	enum redis_error last_error;
	struct complaint complaint;
	struct list_node ready_node; /* on the consumer's list of streams with READY entries */

	struct group group;
	struct reader reader;
	struct settler settler;
	struct once once;
	struct undertaker undertaker;
	struct releaser releaser;
	struct lease lease;
	struct sweeper sweeper;
	struct name_check name_check;
	struct recovery recovery;
	struct twin twin;
	struct beginner beginner;
	struct retention retention;
	struct figures figures;
	struct alerts alerts;
	unsigned n_figures_asked; /* questions about them without an answer */
};

/* What is asked about groups for whoever looks at figures. */
struct inquiry {
	ev_timer timer;
	uint64_t wanted_at_ms, round_at_ms;
	size_t next_stream; /* 0: no round is under way */
};

struct consumer {
	struct consumer_host *host;
	struct config *config; /* keeps what `settings` points to */
	const struct consumer_settings *settings;
	char *name, *group, *name_in_group; /* the same in all settings that it will ever have */
	struct policy policy;
	struct list pools;    /* the one that takes entries is the last; see pools.c */
	struct pool *pool;    /* that one's */
	uint32_t concurrency; /* 0: as the settings say */
	ev_timer relief;
	struct deferred retire;
	struct stream *streams;
	size_t n_streams;
	struct entry_totals totals;
	struct stats stats;
	uint64_t redis_errors[REDIS_ERROR_COUNT];
	struct timings timings;
	struct inquiry inquiry;
	struct breaker breaker;
	ev_timer cooldown;

	/* Streams that want something; each is served in turn. */
	struct list ready;  /* have READY entries */
	struct list due;    /* have WAITING entries that are due */
	struct list hungry; /* more to read right now */
	struct list quiet;  /* to be read with BLOCK */
	struct list to_settle;
	uint32_t asked;   /* COUNTs of the reads outstanding within the room */
	uint32_t n_reads; /* reads outstanding, of any kind */
	struct recent recent;
	struct list_node bytes_node; /* on the host's list of those that wait for bytes */
	bool at_bound;               /* read.max_held or the daemon's bytes: said so in the log */
	bool paused;
	bool draining, drained, pool_drained;
	struct deferred settle, pump;
};

/* ---- streams ---- */

void stream_init(struct stream *s, struct consumer *c, const char *name);
void stream_start(struct stream *s);
void stream_done(struct stream *s);

/* Log fields that name the stream, and an entry of it. The text of the id is kept in *text. */
struct log_fields stream_log_fields(const struct stream *s);
struct log_fields entry_log_fields(const struct stream *s, const struct entry *e,
    struct entryid_text *text);

/* Whether the error reply refuses scripts as such: from then on things are done without. */
bool stream_script_refused(struct stream *s, const struct reply *r);

/* Counts and logs an error reply, does what follows from its class for the stream as a whole, and
 * returns the class: REDIS_NOSCRIPT when the same can be tried again at once, by other means. */
enum redis_error stream_redis_error(struct stream *s, const char *what, const struct reply *r);

/* The same but for where the stream is: what the reply says of the place of a key is not taken in.
 */
enum redis_error stream_note_error(struct stream *s, const char *what, const struct reply *r);

/* Counts it and keeps it for people. */
void stream_complained(struct stream *s, enum redis_error class, struct slice text);

/* ---- the consumer, for its parts ---- */

/* Lets the consumer hand over, begin and read what can be at the end of this turn. */
void consumer_wake(struct consumer *c);

/* Nothing is read, swept, taken up or handed over: it drains or is paused. What waits goes back. */
static inline bool consumer_is_halted(const struct consumer *c)
{
	return c->draining || c->paused;
}

/* What credit_room() needs to know. */
struct credit consumer_credit(struct consumer *c);

struct loop *stream_loop(const struct stream *s);
uint64_t stream_now_ms(const struct stream *s);

/* ---- pause ---- */

void pause_init(struct pause *p, struct stream *s,
    void (*on_over)(struct ev_loop *ev, ev_timer *w, int events));
bool pause_is_on(const struct pause *p);
/* Starts it, longer each time, until pause_reset(). */
/* After an error reply, which says for how long it may grow (stream_complained). */
void pause_start(struct pause *p, struct stream *s);
void pause_reset(struct pause *p);
/* What was refused elsewhere is no reason to wait. */
void pause_end(struct pause *p, struct stream *s);
void pause_done(struct pause *p, struct stream *s);

/* ---- a request about several ids, owned by its callback ---- */

struct id_batch {
	uint64_t sent_at_ms;
	size_t len;
	struct {
		struct entryid id;
		uint32_t number; /* what the request says of it: a run, deliveries */
	} items[];
};

struct id_batch *id_batch_new(struct stream *s, size_t cap) MUST_CHECK;
/* In ascending order. */
void id_batch_sort(struct id_batch *b);

/* ---- arrival.c: what comes in ---- */

/* An entry read as new. fields may be NIL: its data is gone. Malformed ones are reported. */
void arrival_new(struct stream *s, const struct reply *entry, uint64_t fresh_at_ms);

/* The payload of an entry whose begin has succeeded. */
void arrival_begun(struct stream *s, struct entry *e, const struct reply *fields);

/* e, READY or BEGINNING, is over max_entry_bytes. */
void arrival_oversize(struct stream *s, struct entry *e, uint64_t bytes);

/* An id of which we have become the owner, with the runs behind it. */
void arrival_owned(struct stream *s, struct entryid id, uint32_t attempts,
    enum entry_source source);

/* A pending id that nobody can run any more: its data is gone. */
void arrival_gone(struct stream *s, struct entryid id, uint32_t attempts);

/* Puts the stream on the list of those with READY entries, if it has any. */
void arrival_want_turn(struct stream *s);

/* Hands READY entries to the pool, stream by stream, as far as it has room. */
void arrival_hand_over(struct consumer *c);

/* ---- pools.c: the handler processes, before and after a reload ---- */

void pools_init(struct consumer *c);
/* Makes the pool of the settings of now; one that is there already finishes what it has. */
void pools_renew(struct consumer *c);
/* The concurrency is another now. */
void pools_resize(struct consumer *c);
void pools_drain(struct consumer *c);
void pools_kill(struct consumer *c);
void pools_done(struct consumer *c);

/* Each of them. */
void pools_each(const struct consumer *c, void (*visit)(void *context, const struct pool *p),
    void *context);

/* ---- alerts.c: figures over their limits ---- */

bool alerts_are_set(const struct consumer *c);
/* New figures have come: of the group, or of its oldest pending entry. */
void alerts_group(struct stream *s);
void alerts_oldest(struct stream *s);

/* ---- figures.c: what Redis knows of the group ---- */

void figures_init(struct consumer *c);
/* The settings are there, or other ones: from now on figures may be wanted without anybody asking.
 */
void figures_start(struct consumer *c);
void figures_done(struct consumer *c);

/* ---- verdict.c: what comes back ---- */

void verdict_arrived(void *consumer, struct entry *e, const struct outcome *told);

/* It belongs to another now, or to nobody: never ours to settle again. */
void verdict_lease_lost(struct stream *s, struct entry *e, const char *to_whom);

/* Its data is gone from the stream. */
void verdict_trimmed(struct stream *s, struct entry *e);

/* ---- trial.c: the breaker ---- */

void trial_init(struct consumer *c);
void trial_done(struct consumer *c);
/* The breaker is closed: everything goes its way. */
bool trial_is_over(const struct consumer *c);
/* An entry is to be tried, and none is held that could be. */
bool trial_needs_entry(const struct consumer *c);
/* How much of the room the breaker leaves for entries to be taken up. */
uint32_t trial_room(const struct consumer *c, uint32_t room);
/* The entry to try now, or NULL. */
struct entry *trial_candidate(struct consumer *c);
/* Takes a verdict into account and corrects it. */
void trial_verdict(struct consumer *c, const struct entry *e, struct outcome *o);
struct breaker_key trial_key(const struct entry *e);
void trial_no_worker(struct consumer *c);
/* A reload has brought another handler. */
void trial_renewed(struct consumer *c);

/* ---- group.c ---- */

void group_ensure(struct stream *s);
/* A page of the pending list from its beginning has come. */
void group_note_lowest(struct stream *s, const struct reply *rows);
/* Also where it was missing and nobody waits for it. */
void group_look_again(struct stream *s);
void group_vanished(struct stream *s, const struct reply *error);
void group_init(struct stream *s);

/* ---- reader.c ---- */

void reader_init(struct stream *s);
void reader_open(struct stream *s);
/* Connects to where the stream is served now, if that is elsewhere. */
void reader_follow(struct stream *s);
void reader_done(struct stream *s);
void reader_settings_changed(struct stream *s);
/* Puts the stream on the list that fits what its reader may do next. */
void reader_place(struct stream *s);
/* Issues the reads that there is room for. */
void reader_pump(struct consumer *c);
/* A read is held back for a moment, so that entries gather; settle_soon() when it is over. */
bool reader_gathers(const struct stream *s);
/* Wakes those that have waited for bytes to be given back. */
void reader_note_bytes(struct consumer *c);
/* Ends a blocked read, for a drain. */
void reader_unblock(struct stream *s);

/* ---- begin.c ---- */

void begin_init(struct stream *s);
void begin_done(struct stream *s);
/* Something WAITING is new or due earlier. */
void begin_watch(struct stream *s);
void begin_pump(struct consumer *c);

/* ---- settler.c, undertaker.c, release.c ---- */

/* There is something to tell Redis of this stream. */
void settle_soon(struct stream *s);
void settler_init(struct stream *s);
void settler_done(struct stream *s);
void settler_flush(struct stream *s);
/* A read is about to be sent over this connection, which waits for nothing: what there is to be
 * acknowledged goes ahead of it, so that one wake-up serves both here and at the server. */
void settler_ride(struct stream *s, struct conn *reader);
void settler_reset(struct stream *s);
void undertaker_start(struct stream *s);
void undertaker_flush(struct stream *s);
/* Appends the metadata of a record about e (NULL: about trimmed ids that a script fills in). */
void undertaker_metadata(struct stream *s, const struct entry *e, struct buf *out);
/* Where the dead-letter stream is served. */
struct home *undertaker_record_home(struct stream *s);
/* Whether a script can reach the dead-letter stream: it is in the slot of the stream, or there is
 * none. */
bool undertaker_may_record_by_script(const struct stream *s);
/* Counts and logs an entry that is in the dead-letter stream now. */
void undertaker_buried(struct stream *s, struct entryid id, uint32_t attempts,
    enum dead_reason reason, const struct entry *e);
/* The dead-letter stream took no record (of e; NULL: not known of which). */
void undertaker_refused(struct stream *s, const struct entry *e, struct log_limit *limit,
    struct slice error);
void releaser_flush(struct stream *s);
void releaser_reset(struct stream *s);

/* ---- once.c: the guard against a second run ---- */

void once_init(struct stream *s);
void once_done(struct stream *s);
void once_settings_changed(struct stream *s);
/* Whether e, READY with these fields, has to be CHECKING first: it has a guard key. */
bool once_guards(struct stream *s, struct entry *e, const struct fields *f);
/* Looks up the keys of what is CHECKING. */
void once_flush(struct stream *s);
/* Whether a key is to be set when e, ACKING, is acknowledged; and which. It may lie in `room`. */
bool once_has_key(const struct stream *s, const struct entry *e);
struct slice once_key(const struct stream *s, const struct entry *e, char room[GUARDKEY_MAX_BYTES]);
/* stream_redis_error() of a command that has guard keys, where the stream has any. */
enum redis_error once_redis_error(struct stream *s, const char *what, const struct reply *r);

/* ---- lease.c ---- */

void lease_init(struct stream *s);
void lease_done(struct stream *s);
/* Something is held: its lease will have to be renewed. */
void lease_watch(struct stream *s);
/* The server is back: everything is renewed before anything else. */
void lease_renew_all(struct stream *s);
/* Whether nothing but a renewal stands between e and being run. */
bool lease_is_fresh(const struct stream *s, const struct entry *e);
void lease_stop(struct stream *s);

/* ---- name.c ---- */

void name_check_init(struct stream *s);
void name_check_done(struct stream *s);
/* Before anything is taken up: nobody else works under our name. Goes on with recovery_start(). */
void name_check_start(struct stream *s);
void name_check_stop(struct stream *s);
/* Until then nothing is read, swept or taken up: a claim would itself refresh the name. */
bool name_check_is_over(const struct stream *s);

/* ---- probe.c ---- */

/* Asks the server what it can tell, unless it is known. The group is there. */
void probe_server(struct stream *s);
/* Its answers show the same: this one describes a group or a consumer, in names and values. */
void probe_learn(struct stream *s, enum ability which, const struct reply *row, const char *word);

/* ---- recovery.c ---- */

void recovery_init(struct stream *s);
/* The group is there: scans now, and again when the replies of a former connection are in. */
void recovery_start(struct stream *s);
void recovery_stop(struct stream *s);
/* Before that nothing is read. */
bool recovery_is_complete(const struct stream *s);
/* Whether a row is pending on our name, not held, and no reply can be on its way with it. */
bool recovery_is_ours_to_take(const struct stream *s, const struct pending_row *row);
void recovery_take_up(struct stream *s, const struct pending_row *row);

/* ---- twin.c ---- */

/* A page of the pending list that was asked for then: does somebody else work under our name? To be
 * asked before anything of it is taken up. */
void twin_look(struct stream *s, const struct reply *rows, uint64_t asked_at_ms);
/* Then nothing is taken up from our own pending list. */
bool twin_is_about(const struct stream *s);
/* We have set its idle time ourselves. */
void twin_forget(struct stream *s, struct entryid id);
void twin_forget_all(struct stream *s);

/* ---- sweeper.c ---- */

void sweeper_init(struct stream *s);
void sweeper_done(struct stream *s);
void sweeper_start(struct stream *s);
void sweeper_stop(struct stream *s);
/* The next round comes at once. */
void sweeper_hurry(struct stream *s);
/* After a stall, too, others renew first. */
void sweeper_hold_off(struct stream *s);
/* What was given back is not for us before the next round. */
void sweeper_given_back(struct stream *s);

/* ---- retention.c ---- */

void retention_init(struct stream *s);
void retention_done(struct stream *s);
/* The server is there, or the settings are other ones. */
void retention_start(struct stream *s);
void retention_stop(struct stream *s);

#endif
