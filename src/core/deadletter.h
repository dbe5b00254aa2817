/* SPDX-License-Identifier: MIT */
/*
 * The metadata of a dead-letter record: fixed pairs in a fixed order, put before the entry's own
 * pairs. The first one tells how many there are, so that the original can be restored exactly.
 */
#ifndef SLUICED_CORE_DEADLETTER_H
#define SLUICED_CORE_DEADLETTER_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"
#include "core/entryid.h"
#include "core/fields.h"
#include "core/policy.h"
#include "core/settings.h"

enum { DEADLETTER_PAIRS = 14 };

/* Where three values stand (0-based, in name, value, name, …): a script that records several ids
 * fills them in itself. */
enum {
	DEADLETTER_ID_AT = 9,
	DEADLETTER_REASON_AT = 11,
	DEADLETTER_ATTEMPTS_AT = 17,
};

/* The name of the dead-letter stream of a stream; NULL when there is none. The caller frees it. */
char *deadletter_stream(const struct dead_letter_settings *settings, const char *stream) MUST_CHECK;

struct deadletter {
	const char *stream, *group, *consumer;
	struct entryid id;
	enum dead_reason reason;
	enum failure failure;
	struct slice detail;
	uint32_t attempts;
	const char *handler; /* the consumer's name in the configuration */
	const char *host;
	uint64_t first_ms, last_ms; /* 0: not known */
	struct slice stderr_tail;   /* any bytes; written on one line */
};

/* Fills pairs with name, value, …; the numbers and the cleaned stderr are kept in `scratch`, which
 * the caller clears or frees when done with the pairs. */
void deadletter_pairs(const struct deadletter *d, struct buf *scratch,
    struct slice pairs[2 * DEADLETTER_PAIRS]);

/*
 * Takes a record apart: its metadata (the pair sluice.meta included), and the pairs that the entry
 * had. Views of f. 0, or -EINVAL: it is no such record.
 */
int deadletter_split(const struct fields *f, struct fields *ret_meta,
    struct fields *ret_original) MUST_CHECK;

/*
 * How often an entry was added again as a new one. Its last pair tells: "sluice.redriven" and a
 * number. 0 where there is no such pair.
 */
uint64_t deadletter_redriven(const struct fields *original);

#endif
