/* SPDX-License-Identifier: MIT */
/* Why a connection cannot be made, or is lost. */
#ifndef SLUICED_REDIS_FAULT_H
#define SLUICED_REDIS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/log.h"

enum { FAULT_SIZE = 400 };

/* Zeroed: none. */
struct fault {
	char why[FAULT_SIZE];
	bool needs_person; /* only a person can mend it: a password, a certificate, a wrong port */
};

static inline bool fault_is_set(const struct fault *f)
{
	return f->why[0] != '\0';
}

/* Of somebody who keeps room for a fault only when there is one: the caller frees it. */
struct fault *fault_at(struct fault **f);

/* The first fault is the cause: what follows from it is not taken in. */
void fault_set(struct fault *f, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same for one that only a person can mend. */
void fault_set_lasting(struct fault *f, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same for a fault that is another's. */
void fault_take(struct fault *f, const struct fault *cause);

/* What was logged last, and when. Zeroed: nothing. */
struct fault_log {
	struct log_limit limit;
	char *last; /* NULL: nothing yet */
};

/* Is it to be logged? A fault that repeats is, now and then. */
bool fault_log_pass(struct fault_log *l, const struct fault *f, uint64_t now_ms);

void fault_log_done(struct fault_log *l);

#endif
