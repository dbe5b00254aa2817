/* SPDX-License-Identifier: MIT */
/*
 * What comes back from the handler: the one verdict of a run becomes the next state of the entry,
 * by core/policy. Nothing is sent from here; the states say what there is to tell Redis.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "consumer/stream.h"

/* A failure is a retry or dead by what follows from it. */
static void count(struct stats *stats, const struct outcome *o, enum action action)
{
	bool is_last = o->verdict == VERDICT_RETRY && action == ACTION_BURY;
	uint64_t *const verdicts[VERDICT_COUNT] = {
		[VERDICT_OK] = &stats->verdict_ok,
		[VERDICT_RETRY] = &stats->verdict_retry,
		[VERDICT_DEAD] = &stats->verdict_dead,
		[VERDICT_DROP] = &stats->verdict_drop,
	};
	uint64_t *const failures[FAILURE_COUNT] = {
		[FAILURE_EXIT] = &stats->failure_exit,
		[FAILURE_SIGNAL] = &stats->failure_signal,
		[FAILURE_TIMEOUT] = &stats->failure_timeout,
		[FAILURE_RETRY] = &stats->failure_retry,
		[FAILURE_BROKEN] = &stats->failure_broken,
	};

	if (is_last)
		stats->verdict_dead++;
	else if (verdicts[o->verdict])
		++*verdicts[o->verdict];
	if (failures[o->failure])
		++*failures[o->failure];
}

static void take_time(struct stream *s, const struct entry *e)
{
	struct timings *t = &s->consumer->timings;
	uint64_t wall_ms = loop_wall_ms(stream_loop(s));

	histogram_add(&t->handler, histogram_durations_ms, stream_now_ms(s) - e->handed_at_ms);
	/* Ids need not be times, and the clock of the server may be ahead. */
	histogram_add(&t->age, histogram_ages_ms, wall_ms > e->id.ms ? wall_ms - e->id.ms : 0);
}

static struct log_fields run_fields(const struct stream *s, const struct entry *e,
    const struct outcome *o, struct entryid_text *text)
{
	struct log_fields fields = entry_log_fields(s, e, text);

	fields.outcome = verdict_word(o->verdict);
	if (o->failure != FAILURE_NONE)
		fields.failure = failure_word(o->failure);
	if (o->exit_status >= 0)
		fields.exit_status = log_number((uint64_t)o->exit_status);
	if (o->signal)
		fields.signal = signal_name(o->signal);
	if (o->pid)
		fields.handler_pid = log_number((uint64_t)o->pid);
	fields.duration_ms = log_number(stream_now_ms(s) - e->handed_at_ms);
	return fields;
}

/* For the log: a handler need not give a reason. */
static struct slice why(const struct outcome *o)
{
	return o->detail.len ? o->detail : slice_of("no reason given");
}

static char *copy_slice(struct slice s)
{
	return xstrndup(s.data ? s.data : "", s.len);
}

/* What the dead-letter record will tell if this was the last failure. */
static void remember_failure(struct stream *s, struct entry *e, const struct outcome *o)
{
	uint64_t started_ms = clock_wall_ms() - (stream_now_ms(s) - e->handed_at_ms);
	struct last_failure *f = e->last_failure;

	e->last_wall_ms = started_ms;
	if (!e->first_wall_ms)
		e->first_wall_ms = started_ms;
	if (f) {
		free(f->detail);
		free(f->stderr_tail);
	} else {
		f = e->last_failure = xmalloc(sizeof(*f));
	}
	f->failure = o->failure;
	f->detail = copy_slice(o->detail);
	f->stderr_tail = copy_slice(o->stderr_tail);
	f->stderr_len = o->stderr_tail.len;
}

static void acknowledge(struct stream *s, struct entry *e, const struct outcome *o)
{
	if (log_enabled(LEVEL_DEBUG)) {
		struct entryid_text text;
		struct log_fields fields = run_fields(s, e, o, &text);

		log_event(LEVEL_DEBUG, EVENT_VERDICT, &fields, "%s", verdict_word(o->verdict));
	}
	entryset_move(&s->entries, e, ENTRY_ACKING);
	settle_soon(s);
}

/* The run does not count: it was not this entry's fault. */
static void forgive(struct stream *s, struct entry *e, const struct outcome *o, uint64_t delay_ms)
{
	struct entryid_text text;
	struct log_fields fields = run_fields(s, e, o, &text);

	log_event(LEVEL_INFO, EVENT_RELEASED, &fields, "the run does not count%s%.*s",
	    o->detail.len ? ": " : "", (int)o->detail.len, o->detail.data);
	if (e->attempts)
		e->attempts--;
	e->suspect = o->suspect;
	entryset_wait(&s->entries, e, stream_now_ms(s) + delay_ms);
	begin_watch(s);
}

static void wait(struct stream *s, struct entry *e, const struct outcome *o,
    const struct decision *d)
{
	struct entryid_text text;
	struct log_fields fields = run_fields(s, e, o, &text);

	if (d->forgiven) {
		forgive(s, e, o, d->delay_ms);
		return;
	}
	fields.delay_ms = log_number(d->delay_ms);
	log_event(LEVEL_WARNING, EVENT_RETRY, &fields, "%.*s; again in %llu ms", (int)why(o).len,
	    why(o).data, (unsigned long long)d->delay_ms);
	remember_failure(s, e, o);
	e->suspect = o->suspect;
	entryset_wait(&s->entries, e, stream_now_ms(s) + d->delay_ms);
	begin_watch(s);
}

static void bury(struct stream *s, struct entry *e, const struct outcome *o,
    enum dead_reason reason)
{
	struct entryid_text text;
	struct log_fields fields = run_fields(s, e, o, &text);

	log_event(LEVEL_WARNING, EVENT_VERDICT, &fields, "%.*s", (int)why(o).len, why(o).data);
	remember_failure(s, e, o);
	e->dead_reason = (uint8_t)reason;
	entryset_move(&s->entries, e, ENTRY_BURYING);
	settle_soon(s);
}

static void release(struct stream *s, struct entry *e, const struct outcome *o, bool forgiven)
{
	struct entryid_text text;
	struct log_fields fields = run_fields(s, e, o, &text);

	log_event(o->verdict == VERDICT_BROKEN ? LEVEL_WARNING : LEVEL_INFO, EVENT_RELEASED,
	    &fields, "%.*s", (int)why(o).len, why(o).data);
	if (forgiven && e->attempts)
		e->attempts--;
	e->release_delay_ms = 0;
	entryset_move(&s->entries, e, ENTRY_RELEASING);
	settle_soon(s);
}

void verdict_arrived(void *consumer, struct entry *e, const struct outcome *told)
{
	struct consumer *c = consumer;
	struct stream *s = e->stream;
	struct outcome judged = *told, *o = &judged;
	struct decision d;

	take_time(s, e);
	trial_verdict(c, e, o);
	d = policy_decide(&c->policy, o, e->attempts, e->trimmed, rng_next(&c->host->rng));
	count(&c->stats, o, d.action);
	recent_add(&c->recent, stream_now_ms(s), 1);
	consumer_wake(c);
	if (d.action == ACTION_ACK) {
		acknowledge(s, e, o);
		return;
	}
	/* Pending for another, who will run it or has done so: what failed here is not to be told.
	 */
	if (e->lost) {
		entryset_forget(&s->entries, e);
		return;
	}
	if (d.action == ACTION_WAIT)
		wait(s, e, o, &d);
	else if (d.action == ACTION_BURY)
		bury(s, e, o, d.reason);
	else
		release(s, e, o, d.forgiven);
}

void verdict_lease_lost(struct stream *s, struct entry *e, const char *to_whom)
{
	struct entryid_text text;
	struct log_fields fields = entry_log_fields(s, e, &text);

	if (e->lost)
		return;
	breaker_lost(&s->consumer->breaker, trial_key(e));
	s->consumer->stats.leases_lost++;
	log_event(LEVEL_WARNING, EVENT_LEASE_LOST, &fields, "no longer ours: pending for %s%s",
	    to_whom, e->state == ENTRY_RUNNING ? "; the run may finish" : "");
	if (e->state == ENTRY_RUNNING)
		e->lost = true;
	else
		entryset_forget(&s->entries, e);
}

void verdict_trimmed(struct stream *s, struct entry *e)
{
	if (e->trimmed)
		return;
	e->trimmed = true;
	s->consumer->stats.trimmed++;
	/* What runs, or has its payload here, can still succeed. */
	if (e->state != ENTRY_WAITING && e->state != ENTRY_BEGINNING)
		return;
	e->dead_reason = DEAD_TRIMMED;
	entryset_move(&s->entries, e, ENTRY_BURYING);
	settle_soon(s);
}
