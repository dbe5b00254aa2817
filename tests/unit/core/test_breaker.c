/* SPDX-License-Identifier: MIT */
/* Sequences of verdicts, each with what the breaker makes of it and the state it is in then. */
#include "core/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

enum { FAILURES = 3, STREAK = 4, COOLDOWN_MS = 1000, CAP_MS = 300000 };

static const struct breaker_settings settings = { FAILURES, STREAK, COOLDOWN_MS };
static const struct origin streams[2];

static struct breaker_key key(char stream, uint64_t n)
{
	return (struct breaker_key){ .origin = &streams[stream - 'a'], .id = { n, 0 } };
}

/* What happens. FAIL is a failed run that counts as an attempt, UNCHARGED one that does not. */
enum what { OK, DROP, FAIL, DEAD, UNCHARGED, RELEASE, BROKEN, NO_WORKER, COOLED, TRY, LOST };

struct step {
	enum what what;
	char stream;
	uint64_t entry;
	pid_t pid;
	enum breaker_change change;
	enum breaker_state state; /* afterwards */
	enum verdict verdict;     /* as corrected; looked at when the step is a verdict */
	bool charged;
};

#define N BREAKER_UNCHANGED
#define OPENS BREAKER_OPENS
#define CLOSES BREAKER_CLOSES
#define CLOSED BREAKER_CLOSED
#define OPEN BREAKER_OPEN
#define TRIABLE BREAKER_TRIABLE
#define TRYING BREAKER_TRYING
