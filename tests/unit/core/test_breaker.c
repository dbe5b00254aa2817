/* SPDX-License-Identifier: MIT */
/* Sequences of events, each with what the breaker answers and the state it is in afterwards. */
#include "core/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/compiler.h"

enum { FAILURES = 3, STREAK = 4, COOLDOWN_MS = 1000, CAP_MS = 5 * 60 * 1000 };

static const struct breaker_settings settings = { FAILURES, STREAK, COOLDOWN_MS };
static const struct origin streams[2];

/* FAIL and DEAD count as an attempt, UNCHARGED and RELEASE do not. */
enum what {
	OK,
	DROP,
	FAIL,
	DEAD,
	UNCHARGED,
	RELEASE,
	BROKEN,
	TO_BLAME, /* BROKEN, and to come out as a failure of the entry itself */
	NO_WORKER,
	COOL,
	TRY,
	LOSE,
};

enum {
	SAME = BREAKER_UNCHANGED,
	OPENS = BREAKER_OPENS,
	CLOSES = BREAKER_CLOSES,
	CLOSED = BREAKER_CLOSED,
	OPEN = BREAKER_OPEN,
	TRIABLE = BREAKER_TRIABLE,
	TRYING = BREAKER_TRYING,
};

struct step {
	enum what what;
	struct {
		int stream;
		uint64_t id;
	} entry;
	int change, state;
	pid_t pid;
};

#define A(n) { 0, n }
#define B(n) { 1, n }
#define NONE { 0, 0 }

static const struct {
	enum verdict verdict;
	bool charged;
} runs[] = {
	[OK] = { VERDICT_OK, false },
	[DROP] = { VERDICT_DROP, false },
	[FAIL] = { VERDICT_RETRY, true },
	[DEAD] = { VERDICT_DEAD, true },
	[UNCHARGED] = { VERDICT_RETRY, false },
	[RELEASE] = { VERDICT_RELEASE, false },
	[BROKEN] = { VERDICT_BROKEN, false },
	[TO_BLAME] = { VERDICT_BROKEN, false },
};

static struct breaker_key key(int stream, uint64_t id)
{
	return (struct breaker_key){ .origin = &streams[stream], .id = { id, 0 } };
}

static struct outcome outcome_of(enum what what, pid_t pid)
{
	return (struct outcome){
		.verdict = runs[what].verdict, .charged = runs[what].charged, .pid = pid
	};
}

static void check_correction(const struct step *s, const struct outcome *o, bool tried)
{
	bool forgiven = tried && (s->what == FAIL || s->what == DEAD);

	if (forgiven || s->what == TO_BLAME)
		assert_int_equal(o->verdict, VERDICT_RETRY);
	else
		assert_int_equal(o->verdict, runs[s->what].verdict);
	assert_int_equal(o->charged, s->what == TO_BLAME || (runs[s->what].charged && !forgiven));
	assert_int_equal(o->has_delay, forgiven);
	assert_int_equal(o->delay_ms, 0);
}

static enum breaker_change run_over(struct breaker *b, const struct step *s, bool tried)
{
	struct outcome o = outcome_of(s->what, s->pid);
	enum breaker_change change =
	    breaker_verdict(b, key(s->entry.stream, s->entry.id), &o);

	check_correction(s, &o, tried);
	return change;
}

static enum breaker_change apply(struct breaker *b, const struct step *s)
{
	struct breaker_key entry = key(s->entry.stream, s->entry.id);
	bool tried = b->state == BREAKER_TRYING && b->tried.origin == entry.origin &&
	             b->tried.id.ms == entry.id.ms;

	switch (s->what) {
	case NO_WORKER:
		return breaker_no_worker(b);
	case COOL:
		breaker_cooled(b);
		return BREAKER_UNCHANGED;
	case TRY:
		breaker_try(b, entry);
		return BREAKER_UNCHANGED;
	case LOSE:
		breaker_lost(b, entry);
		return BREAKER_UNCHANGED;
	default:
		return run_over(b, s, tried);
	}
}

static void check_steps(struct breaker *b, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int change = (int)apply(b, &steps[i]);

		if (change != steps[i].change || (int)b->state != steps[i].state)
			fail_msg("step %zu: change %d, state %d", i, change, b->state);
		assert_int_equal(breaker_is_closed(b), steps[i].state == CLOSED);
	}
}

static struct breaker fresh(void)
{
	struct breaker b;

	breaker_init(&b, &settings);
	return b;
}

#define CHECK(...)                                                                                 \
	do {                                                                                       \
		const struct step steps[] = { __VA_ARGS__ };                                       \
		struct breaker b = fresh();                                                        \
                                                                                                   \
		check_steps(&b, steps, ARRAY_LEN(steps));                                          \
	} while (0)
