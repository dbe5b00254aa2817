/* SPDX-License-Identifier: MIT */
/* What the doctor has found, kept until it is printed: grouped for people, a document for programs.
 */
#ifndef SLUICED_CTL_FINDINGS_H
#define SLUICED_CTL_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

#define HEALTHS(X)                                                                                 \
	X(OK, "ok")                                                                                \
	X(UNKNOWN, "unknown") /* it could not be checked */                                        \
	X(WARNING, "warning")                                                                      \
	X(ERROR, "error")

enum health {
#define X(name, word) HEALTH_##name,
	HEALTHS(X)
#undef X
	    HEALTH_COUNT
};

struct finding {
	const char *check; /* static */
	enum health health;
	char *section; /* "consumer mailer" */
	char *stream;  /* NULL: it is about none */
	char *text;    /* a sentence without its full stop */
	char *advice;  /* what to do; NULL: nothing */
};

/* In the order in which they came. Zeroed: empty. */
struct findings {
	struct finding *items;
	size_t len, cap;
	size_t n[HEALTH_COUNT];
};

/* Appends a copy. advise() is about the last one. */
void findings_add(struct findings *f, const struct finding *what);
void findings_advise(struct findings *f, const char *format, ...) PRINTF_LIKE(2, 3);
void findings_done(struct findings *f);

/* Of a section's streams for which a check is well, or could not be made, the first is printed, and
 * how many more. */
void findings_print(const struct findings *f);
void findings_print_json(const struct findings *f);

#endif
