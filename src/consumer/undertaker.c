/* SPDX-License-Identifier: MIT */
/*
 * Moves entries to the dead-letter stream: recorded first and acknowledged only then, in one script
 * that may be repeated. An entry with too many fields for a script takes three steps instead: its
 * fields are fetched, XADD, and the same script without a record acknowledges it. So it is where
 * the dead-letter stream is in another slot of a Cluster: no script may touch both.
 *
 * While the dead-letter stream refuses (out of memory, wrong type, no permission) the entry stays
 * pending under its lease, is tried again with backoff, and the log says so.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "consumer/look.h"
#include "consumer/stream.h"
#include "core/slot.h"
#include "redis/command.h"

enum { ASKED_MAX = 64, REFUSED_LOG_MS = 30000 };

/* One entry on its way out. */
struct burial {
	struct entryid id;
};

static void acknowledge_by_script(struct stream *s, struct entry *e);

/* ---- what is logged and counted ---- */

void undertaker_buried(struct stream *s, struct entryid id, uint32_t attempts,
    enum dead_reason reason, const struct entry *e)
{
	struct stats *stats = &s->consumer->stats;
	uint64_t *const counters[DEAD_REASON_COUNT] = {
		[DEAD_REJECTED] = &stats->dead_rejected,
		[DEAD_ATTEMPTS] = &stats->dead_attempts,
		[DEAD_TRIMMED] = &stats->dead_trimmed,
		[DEAD_OVERSIZE] = &stats->dead_oversize,
	};
	struct log_fields fields = stream_log_fields(s);
	struct entryid_text text = entryid_text(id);

	fields.entry_id = text.text;
	fields.attempt = log_number(attempts);
	if (e && e->last_failure)
		fields.failure = failure_word(e->last_failure->failure);
	if (reason == DEAD_TRIMMED)
		log_event(LEVEL_WARNING, EVENT_TRIMMED, &fields,
		    "its data was deleted from the stream while it was pending");
	if (!s->dead_letters)
		return;
	++*counters[reason];
	log_event(LEVEL_WARNING, EVENT_DEAD_LETTERED, &fields, "moved to %s: %s%s%s",
	    s->dead_letters, dead_reason_word(reason), e && e->last_failure ? ", " : "",
	    e && e->last_failure ? e->last_failure->detail : "");
}

void undertaker_refused(struct stream *s, const struct entry *e, struct log_limit *limit,
    struct slice error)
{
	struct entryid_text text;
	struct log_fields fields = e ? entry_log_fields(s, e, &text) : stream_log_fields(s);
	uint64_t held_back;

	stream_complained(s, redis_error_class(error), error);
	if (!log_limit_pass(limit, stream_now_ms(s), REFUSED_LOG_MS, &held_back))
		return;
	log_event(LEVEL_ERROR, EVENT_DEAD_LETTER_REFUSED, &fields,
	    "%s takes no record, what should go there stays pending: %.*s", s->dead_letters,
	    (int)error.len, error.data);
}

struct home *undertaker_record_home(struct stream *s)
{
	return undertaker_may_record_by_script(s) ? &s->home : &s->undertaker.home;
}

/* ---- the record ---- */

void undertaker_metadata(struct stream *s, const struct entry *e, struct buf *out)
{
	const struct last_failure *f = e ? e->last_failure : NULL;
	struct buf scratch = { 0 };
	struct slice pairs[2 * DEADLETTER_PAIRS];
	const struct deadletter d = {
		.stream = s->name,
		.group = s->origin.group,
		.consumer = s->origin.consumer,
		.id = e ? e->id : (struct entryid){ 0, 0 },
		.reason = e ? (enum dead_reason)e->dead_reason : DEAD_TRIMMED,
		.failure = f ? f->failure : FAILURE_NONE,
		.detail = slice_of(f ? f->detail : ""),
		.attempts = e ? e->attempts : 0,
		.handler = s->consumer->settings->name,
		.host = s->consumer->host->hostname,
		.first_ms = e ? e->first_wall_ms : 0,
		.last_ms = e ? e->last_wall_ms : 0,
		.stderr_tail = f ? (struct slice){ f->stderr_tail, f->stderr_len } : slice_of(""),
	};

	deadletter_pairs(&d, &scratch, pairs);
	for (int i = 0; i < 2 * DEADLETTER_PAIRS; i++)
		command_slice(out, pairs[i]);
	buf_done(&scratch);
}

/* ---- replies ---- */

/* The entry of a burial, unless it has gone another way meanwhile. Frees the request. */
static struct entry *burial_over(struct stream *s, void *request)
{
	struct burial *b = request;
	struct entry *e = entryset_find(&s->entries, b->id);

	free(b);
	if (s->undertaker.n_asked)
		s->undertaker.n_asked--;
	if (!e || e->state != ENTRY_BURYING)
		return NULL;
	e->asked = false;
	return e;
}

static void buried(struct stream *s, struct entry *e, struct slice reason)
{
	pause_reset(&s->undertaker.pause);
	if (slice_is(reason, dead_reason_word(DEAD_TRIMMED))) {
		if (!e->trimmed)
			s->consumer->stats.trimmed++;
		e->dead_reason = DEAD_TRIMMED;
	}
	undertaker_buried(s, e->id, e->attempts, (enum dead_reason)e->dead_reason, e);
	entryset_forget(&s->entries, e);
}

static void refused(struct stream *s, const struct entry *e, struct slice error)
{
	undertaker_refused(s, e, &s->undertaker.refused_log, error);
	pause_start(&s->undertaker.pause, s);
}

static struct burial *burial_new(struct stream *s, struct entry *e)
{
	struct burial *b = xmalloc(sizeof(*b));

	*b = (struct burial){ .id = e->id };
	e->asked = true;
	s->undertaker.n_asked++;
	return b;
}

/*
 * False when the server refused a command about an entry: what is to be said has been said, and the
 * next try waits. AUTH is about the dead-letter key where it is not about scripts: an ACL answers
 * so before the script runs.
 */
static bool reply_is_good(struct stream *s, const struct entry *e, const struct reply *r)
{
	enum redis_error class;

	if (!r || !reply_is_error(r))
		return r != NULL;
	class = stream_redis_error(s, "dead-lettering", r);
	if (class == REDIS_AUTH && s->dead_letters)
		refused(s, e, r->text);
	else if (class != REDIS_NOSCRIPT)
		pause_start(&s->undertaker.pause, s);
	return false;
}

static void on_last_ack_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct entry *e = burial_over(s, request);

	if (reply_is_good(s, e, r) && e)
		buried(s, e, slice_of(dead_reason_word((enum dead_reason)e->dead_reason)));
	settle_soon(s);
	consumer_wake(s->consumer);
}

static void acknowledge(struct stream *s, struct entry *e)
{
	struct entryid_text id = entryid_text(e->id);

	command_words(home_out(&s->home), "XACK", s->name, s->origin.group, id.text, NULL);
	home_expect(&s->home, on_last_ack_reply, burial_new(s, e));
}

/* Nobody can run what has no data any more: it is acknowledged whoever owns it. */
static void acknowledge_recorded(struct stream *s, struct entry *e)
{
	if (home_may_script(&s->home) && e->dead_reason != DEAD_TRIMMED)
		acknowledge_by_script(s, e);
	else
		acknowledge(s, e);
}

static void added(struct stream *s, void *request, const struct reply *r)
{
	struct entry *e = burial_over(s, request);

	if (reply_is_error(r)) {
		home_heard_error(undertaker_record_home(s), redis_error_class(r->text), r->text);
		refused(s, e, r->text);
	} else if (r && e) {
		e->recorded = true;
	}
	settle_soon(s);
	consumer_wake(s->consumer);
}

static void on_added_reply(void *owner, void *request, const struct reply *r)
{
	added(owner, request, r);
}

static void on_added_elsewhere_reply(void *owner, void *request, const struct reply *r)
{
	added(container_of(owner, struct stream, undertaker.home), request, r);
}

static void add_record(struct stream *s, struct entry *e, const struct reply *fields)
{
	uint64_t maxlen = s->consumer->settings->dead_letter.maxlen;
	struct home *home = undertaker_record_home(s);
	struct buf *out;

	if (!home_is_up(home)) {
		refused(s, e, slice_of("its server is not connected"));
		return;
	}
	out = home_out(home);
	command_open(out, 3 + (maxlen ? 3 : 0) + 2 * DEADLETTER_PAIRS + reply_len(fields));
	command_text(out, "XADD");
	command_text(out, s->dead_letters);
	if (maxlen) {
		command_text(out, "MAXLEN");
		command_text(out, "~");
		command_u64(out, maxlen);
	}
	command_text(out, "*");
	undertaker_metadata(s, e, out);
	for (size_t i = 0; i < reply_len(fields); i++)
		command_slice(out, reply_text(reply_at(fields, i)));
	home_expect(home, home == &s->home ? on_added_reply : on_added_elsewhere_reply,
	    burial_new(s, e));
}

static void on_fields_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct entry *e = burial_over(s, request);
	const struct reply *entry = reply_at(r, 0);

	if (reply_is_good(s, e, r) && e && entry)
		add_record(s, e, reply_at(entry, 1));
	settle_soon(s);
	consumer_wake(s->consumer);
}

static void fetch_fields(struct stream *s, struct entry *e)
{
	struct entryid_text id = entryid_text(e->id);

	command_words(home_out(&s->home), "XRANGE", s->name, id.text, id.text, NULL);
	home_expect(&s->home, on_fields_reply, burial_new(s, e));
}

static void on_bury_reply(void *owner, void *request, const struct reply *r)
{
	struct stream *s = owner;
	struct entry *e = burial_over(s, request);
	struct slice word = reply_text(reply_at(r, 0)), second = reply_text(reply_at(r, 1));

	if (!reply_is_good(s, e, r) || !e) {
		settle_soon(s);
		return;
	}
	if (slice_is(word, "refused")) {
		refused(s, e, second);
	} else {
		pause_reset(&s->undertaker.pause);
		if (slice_is(word, "moved"))
			buried(s, e, second);
		else if (slice_is(word, "wide"))
			fetch_fields(s, e);
		else
			verdict_lease_lost(s, e,
			    slice_is(word, "other") ? "another consumer" : "nobody");
	}
	settle_soon(s);
	consumer_wake(s->consumer);
}

/* ---- requests ---- */

/* What follows the keys. The metadata goes along in any case: the answer names its reason. */
static void send_arguments(struct stream *s, struct entry *e, struct buf *out, const char *records)
{
	command_text(out, s->origin.group);
	command_text(out, s->origin.consumer);
	command_id(out, e->id);
	command_u64(out, s->consumer->settings->dead_letter.maxlen);
	command_u64(out, DEADLETTER_REASON_AT + 1);
	command_text(out, records);
	undertaker_metadata(s, e, out);
	home_expect(&s->home, on_bury_reply, burial_new(s, e));
}

/* The record is written, or none is wanted. */
static void acknowledge_by_script(struct stream *s, struct entry *e)
{
	struct buf *out = home_script(&s->home, SCRIPT_BURY, 1, 6 + 2 * DEADLETTER_PAIRS);

	command_text(out, s->name);
	send_arguments(s, e, out, "0");
}

static void move_by_script(struct stream *s, struct entry *e)
{
	struct buf *out = home_script(&s->home, SCRIPT_BURY, 2, 6 + 2 * DEADLETTER_PAIRS);

	command_text(out, s->name);
	command_text(out, s->dead_letters);
	send_arguments(s, e, out, e->dead_reason != DEAD_TRIMMED ? "1" : "0");
}

static void bury_looked_at(struct stream *s, const struct look *l)
{
	struct entry *e = entryset_find(&s->entries, l->id);

	s->undertaker.n_asked -= s->undertaker.n_asked > 0;
	if (!e || e->state != ENTRY_BURYING)
		return;
	e->asked = false;
	if (l->answer == LOOK_FAILED) {
		pause_start(&s->undertaker.pause, s);
	} else if (l->answer == LOOK_ANOTHERS || l->answer == LOOK_NOBODYS) {
		verdict_lease_lost(s, e, l->answer == LOOK_NOBODYS ? "nobody" : "another consumer");
	} else {
		if (l->answer == LOOK_GONE)
			e->dead_reason = DEAD_TRIMMED;
		if (s->dead_letters)
			add_record(s, e, e->dead_reason == DEAD_TRIMMED ? NULL : l->fields);
		else
			acknowledge(s, e);
	}
}

static void bury(struct stream *s, struct entry *e)
{
	if (e->recorded) {
		acknowledge_recorded(s, e);
		return;
	}
	if (home_may_script(&s->home) && undertaker_may_record_by_script(s)) {
		if (s->dead_letters)
			move_by_script(s, e);
		else
			acknowledge_by_script(s, e);
		return;
	}
	e->asked = true;
	s->undertaker.n_asked++;
	look_at(s, e->id, bury_looked_at);
}

bool undertaker_may_record_by_script(const struct stream *s)
{
	return !list_listed(&s->undertaker.home.node);
}

static void on_record_home_up(struct home *h)
{
	struct stream *s = container_of(h, struct stream, undertaker.home);

	pause_end(&s->undertaker.pause, s);
	settle_soon(s);
}

void undertaker_start(struct stream *s)
{
	struct keyspace *k = s->consumer->host->keyspace;
	struct log_fields fields = stream_log_fields(s);

	if (!s->dead_letters || !keyspace_is_cluster(k) ||
	    slot_of_key(slice_of(s->dead_letters)) == slot_of_key(slice_of(s->name)))
		return;
	s->undertaker.home = (struct home){ .key = s->dead_letters,
		.owner = &s->undertaker.home,
		.on_up = on_record_home_up };
	home_join(k, &s->undertaker.home);
	log_event(LEVEL_INFO, EVENT_CONFIG_WARNING, &fields,
	    "%s is in another slot: a dead letter is recorded first and acknowledged then, in two "
	    "steps",
	    s->dead_letters);
}

void undertaker_flush(struct stream *s)
{
	if (!home_is_up(&s->home) || pause_is_on(&s->undertaker.pause))
		return;
	list_foreach(&s->entries.in[ENTRY_BURYING], node) {
		struct entry *e = container_of(node, struct entry, node);

		if (s->undertaker.n_asked >= ASKED_MAX)
			return;
		if (!e->asked)
			bury(s, e);
	}
}
