/* SPDX-License-Identifier: MIT */
#include "core/breaker.h"

enum { COOLDOWN_MAX_MS = 5 * 60 * 1000 };

void breaker_init(struct breaker *b, const struct breaker_settings *settings)
{
	*b = (struct breaker){ .settings = settings, .cooldown_ms = settings->cooldown_ms };
}

bool breaker_success(struct breaker *b)
{
	bool closes = b->state != BREAKER_CLOSED;

	b->n_successes++;
	b->n_broken = b->n_failed = 0;
	b->last_failed = (struct entryid){ 0, 0 };
	if (!closes)
		return false;
	b->state = BREAKER_CLOSED;
	b->cooldown_ms = b->settings->cooldown_ms;
	return true;
}

/* Opens the breaker when there is cause to, or opens it again after a failed try, which is the only
 * thing that makes the cooldown longer. What still ran when it opened changes nothing. */
static bool open_if(struct breaker *b, bool cause)
{
	if (b->state == BREAKER_CLOSED) {
		if (cause)
			b->state = BREAKER_OPEN;
		return cause;
	}
	if (b->state != BREAKER_TRYING)
		return false;
	b->state = BREAKER_OPEN;
	b->cooldown_ms = b->cooldown_ms < COOLDOWN_MAX_MS / 2 ? 2 * b->cooldown_ms
							      : COOLDOWN_MAX_MS;
	return true;
}

bool breaker_failure(struct breaker *b, struct entryid id)
{
	if (entryid_compare(id, b->last_failed) != 0)
		b->n_failed++;
	b->last_failed = id;
	return open_if(b, b->settings->streak && b->n_failed >= b->settings->streak);
}

static const struct breaker_met *met_before(const struct breaker *b, struct entryid id)
{
	for (uint32_t i = 0; i < BREAKER_MET_MAX; i++) {
		if (entryid_compare(b->met[i].id, id) == 0)
			return &b->met[i];
	}
	return NULL;
}

bool breaker_is_to_blame(const struct breaker *b, struct entryid id)
{
	const struct breaker_met *m = met_before(b, id);

	return m && !entryid_is_zero(id) && m->n_successes < b->n_successes;
}

bool breaker_broken(struct breaker *b, struct entryid id)
{
	b->n_broken++;
	if (!entryid_is_zero(id)) {
		b->last_failed = id;
		if (!met_before(b, id))
			b->met[b->next_met++ % BREAKER_MET_MAX] =
			    (struct breaker_met){ .id = id, .n_successes = b->n_successes };
	}
	return open_if(b, b->n_broken >= b->settings->failures);
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
	if (b->state != BREAKER_TRIABLE)
		return false;
	return !others || entryid_compare(id, b->last_failed) != 0;
}

void breaker_try(struct breaker *b)
{
	b->state = BREAKER_TRYING;
}

void breaker_try_void(struct breaker *b)
{
	if (b->state == BREAKER_TRYING)
		b->state = BREAKER_TRIABLE;
}
