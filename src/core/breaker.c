/* SPDX-License-Identifier: MIT */
#include "core/breaker.h"

enum { COOLDOWN_MAX_MS = 5 * 60 * 1000 };

void breaker_init(struct breaker *b, const struct breaker_settings *settings)
{
	*b = (struct breaker){ .settings = settings, .cooldown_ms = settings->cooldown_ms };
}

static bool is_tried(const struct breaker *b, struct entryid id)
{
	return b->state == BREAKER_TRYING && entryid_compare(b->tried, id) == 0;
}

static enum breaker_change success(struct breaker *b)
{
	bool closes = b->state != BREAKER_CLOSED;

	b->n_successes++;
	b->n_broken = b->n_failed = 0;
	b->last_failed = (struct entryid){ 0, 0 };
	b->state = BREAKER_CLOSED;
	b->cooldown_ms = b->settings->cooldown_ms;
	return closes ? BREAKER_CLOSES : BREAKER_UNCHANGED;
}

static enum breaker_change open_if(struct breaker *b, bool cause)
{
	if (b->state != BREAKER_CLOSED || !cause)
		return BREAKER_UNCHANGED;
	b->state = BREAKER_OPEN;
	return BREAKER_OPENS;
}

static enum breaker_change try_failed(struct breaker *b)
{
	b->state = BREAKER_OPEN;
	b->cooldown_ms =
	    b->cooldown_ms < COOLDOWN_MAX_MS / 2 ? 2 * b->cooldown_ms : COOLDOWN_MAX_MS;
	return BREAKER_OPENS;
}

static const struct breaker_met *met_before(const struct breaker *b, struct entryid id)
{
	for (uint32_t i = 0; i < BREAKER_MET_MAX; i++) {
		if (entryid_compare(b->met[i].id, id) == 0)
			return &b->met[i];
	}
	return NULL;
}

static bool is_to_blame(const struct breaker *b, struct entryid id)
{
	const struct breaker_met *m = met_before(b, id);

	return m && m->n_successes < b->n_successes;
}

static enum breaker_change broken_event(struct breaker *b)
{
	b->n_broken++;
	return open_if(b, b->n_broken >= b->settings->failures);
}

static enum breaker_change met_broken(struct breaker *b, struct entryid id, pid_t pid)
{
	/* What one worker held when it broke is one event. */
	bool same_event = pid && pid == b->last_broken_pid;
	bool tried = is_tried(b, id);

	if (!met_before(b, id))
		b->met[b->next_met++ % BREAKER_MET_MAX] =
		    (struct breaker_met){ .id = id, .n_successes = b->n_successes };
	b->last_failed = id;
	b->last_broken_pid = pid;
	if (tried)
		return try_failed(b);
	return same_event ? BREAKER_UNCHANGED : broken_event(b);
}

static enum breaker_change failed(struct breaker *b, struct entryid id)
{
	uint64_t streak = b->settings->streak;

	if (entryid_compare(id, b->last_failed) != 0)
		b->n_failed++;
	b->last_failed = id;
	return open_if(b, streak && b->n_failed >= streak);
}

/* The handler may be what fails: the entry is not charged, and not dead-lettered. */
static void forgive(struct outcome *o)
{
	o->verdict = VERDICT_RETRY;
	o->charged = false;
	o->has_delay = true;
	o->delay_ms = 0;
}

enum breaker_change breaker_verdict(struct breaker *b, struct entryid id, struct outcome *o)
{
	bool tried = is_tried(b, id);

	if (o->verdict == VERDICT_OK || o->verdict == VERDICT_DROP)
		return success(b);
	if (o->verdict == VERDICT_BROKEN && !tried && is_to_blame(b, id)) {
		o->verdict = VERDICT_RETRY;
		o->charged = true;
	}
	if (o->verdict == VERDICT_BROKEN)
		return met_broken(b, id, o->pid);
	if (o->charged && tried) {
		b->last_failed = id;
		forgive(o);
		return try_failed(b);
	}
	if (o->charged)
		return failed(b, id);
	breaker_lost(b, id);
	return BREAKER_UNCHANGED;
}

enum breaker_change breaker_no_worker(struct breaker *b)
{
	return broken_event(b);
}

uint64_t breaker_cooldown_ms(const struct breaker *b)
{
	return b->cooldown_ms;
}

void breaker_cooled(struct breaker *b)
{
	if (b->state == BREAKER_OPEN)
		b->state = BREAKER_TRIABLE;
}

bool breaker_may_try(const struct breaker *b, struct entryid id, bool others)
{
	return b->state == BREAKER_TRIABLE && (!others || entryid_compare(id, b->last_failed) != 0);
}

void breaker_try(struct breaker *b, struct entryid id)
{
	b->state = BREAKER_TRYING;
	b->tried = id;
}

void breaker_lost(struct breaker *b, struct entryid id)
{
	if (is_tried(b, id))
		b->state = BREAKER_TRIABLE;
}
