/* SPDX-License-Identifier: MIT */
#include "core/breaker.h"

enum { COOLDOWN_MAX_MS = 5 * 60 * 1000 };

void breaker_init(struct breaker *b, const struct breaker_settings *settings)
{
	*b = (struct breaker){ .settings = settings, .cooldown_ms = settings->cooldown_ms };
}

static bool same(struct breaker_key a, struct breaker_key b)
{
	return a.origin == b.origin && entryid_compare(a.id, b.id) == 0;
}

static bool is_tried(const struct breaker *b, struct breaker_key entry)
{
	return b->state == BREAKER_TRYING && same(b->tried, entry);
}

static enum breaker_change success(struct breaker *b)
{
	bool closes = b->state != BREAKER_CLOSED;

	b->n_successes++;
	b->n_broken = b->n_failed = 0;
	b->last_failed = (struct breaker_key){ 0 };
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

/* A cooldown that was set above the bound stays as it is. */
static uint64_t longer(uint64_t cooldown_ms)
{
	if (cooldown_ms >= COOLDOWN_MAX_MS)
		return cooldown_ms;
	return cooldown_ms < COOLDOWN_MAX_MS / 2 ? 2 * cooldown_ms : COOLDOWN_MAX_MS;
}

static enum breaker_change try_failed(struct breaker *b)
{
	b->state = BREAKER_OPEN;
	b->cooldown_ms = longer(b->cooldown_ms);
	return BREAKER_OPENS;
}

static const struct breaker_met *met_before(const struct breaker *b, struct breaker_key entry)
{
	for (uint32_t i = 0; i < BREAKER_MET_MAX; i++) {
		if (same(b->met[i].entry, entry))
			return &b->met[i];
	}
	return NULL;
}

static bool is_to_blame(const struct breaker *b, struct breaker_key entry)
{
	const struct breaker_met *m = met_before(b, entry);

	return m && m->n_successes < b->n_successes;
}

static enum breaker_change broken_event(struct breaker *b)
{
	b->n_broken++;
	return open_if(b, b->n_broken >= b->settings->failures);
}

static enum breaker_change met_broken(struct breaker *b, struct breaker_key entry, pid_t pid)
{
	/* What one worker held when it broke is one event. */
	bool same_event = pid && pid == b->last_broken_pid;
	bool tried = is_tried(b, entry);

	if (!met_before(b, entry))
		b->met[b->next_met++ % BREAKER_MET_MAX] =
		    (struct breaker_met){ .entry = entry, .n_successes = b->n_successes };
	b->last_failed = entry;
	b->last_broken_pid = pid;
	if (tried)
		return try_failed(b);
	return same_event ? BREAKER_UNCHANGED : broken_event(b);
}

/* From the newest: one entry that fails again and again is found at once. */
static bool is_in_streak(const struct breaker *b, struct breaker_key entry)
{
	uint32_t n = b->n_failed < BREAKER_STREAK_MAX ? b->n_failed : BREAKER_STREAK_MAX;

	for (uint32_t back = 1; back <= n; back++) {
		if (same(b->streak[(b->n_failed - back) % BREAKER_STREAK_MAX], entry))
			return true;
	}
	return false;
}

static enum breaker_change failed(struct breaker *b, struct breaker_key entry)
{
	uint64_t streak = b->settings->streak;

	b->last_failed = entry;
	if (!streak)
		return BREAKER_UNCHANGED;
	if (!is_in_streak(b, entry))
		b->streak[b->n_failed++ % BREAKER_STREAK_MAX] = entry;
	return open_if(b, b->n_failed >= streak);
}

/* The handler may be what fails: the entry is not charged, and not dead-lettered. */
static void forgive(struct outcome *o)
{
	o->verdict = VERDICT_RETRY;
	o->charged = false;
	o->has_delay = true;
	o->delay_ms = 0;
}

enum breaker_change breaker_verdict(struct breaker *b, struct breaker_key entry, struct outcome *o)
{
	bool tried = is_tried(b, entry);

	if (o->verdict == VERDICT_OK || o->verdict == VERDICT_DROP)
		return success(b);
	if (o->verdict == VERDICT_BROKEN && !tried && is_to_blame(b, entry)) {
		o->verdict = VERDICT_RETRY;
		o->charged = true;
	}
	if (o->verdict == VERDICT_BROKEN)
		return met_broken(b, entry, o->pid);
	if (o->charged && tried) {
		b->last_failed = entry;
		forgive(o);
		return try_failed(b);
	}
	if (o->charged)
		return failed(b, entry);
	breaker_lost(b, entry);
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

bool breaker_may_try(const struct breaker *b, struct breaker_key entry, bool others)
{
	return b->state == BREAKER_TRIABLE && (!others || !same(entry, b->last_failed));
}

void breaker_try(struct breaker *b, struct breaker_key entry)
{
	b->state = BREAKER_TRYING;
	b->tried = entry;
}

void breaker_lost(struct breaker *b, struct breaker_key entry)
{
	if (is_tried(b, entry))
		b->state = BREAKER_TRIABLE;
}

void breaker_renewed(struct breaker *b)
{
	b->n_broken = b->n_failed = 0;
	b->cooldown_ms = b->settings->cooldown_ms;
	if (b->state == BREAKER_OPEN)
		b->state = BREAKER_TRIABLE;
}
