/* SPDX-License-Identifier: MIT */
/*
 * Decodes the reply to XREADGROUP in place: where nearly all bytes come from a general decoder,
 * which has to copy texts and calls back for each, takes six times as long. It is known by how it
 * begins,
 * [[key, [[id, fields], ...]]]; whatever turns out to be another reply is left to the general one.
 */
#ifndef SLUICED_REDIS_ENTRYSCAN_H
#define SLUICED_REDIS_ENTRYSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "redis/arena.h"
#include "redis/reply.h"

enum scan_result {
	SCAN_WHOLE,   /* there it is */
	SCAN_PARTIAL, /* more bytes are needed */
	SCAN_OTHER,   /* it is another reply */
};

/* A scan under way. Zeroed: at the beginning of a reply. */
struct entryscan {
	const char *base; /* the reply's first byte, when it was looked at last */
	size_t used;      /* bytes of it that have been decoded */
	struct reply *root;
	struct reply *entries;
	size_t n_entries, n_entries_done;
	struct reply *fields; /* of the entry that has begun; NULL: none has */
	size_t n_fields, n_fields_done;
};

/*
 * Goes on with a reply of which `bytes` are here: what was given before, perhaps elsewhere in
 * memory, and more. WHOLE: the reply is in *ret_reply, `used` bytes long; its texts lie in the
 * bytes, the rest in the arena.
 */
enum scan_result entryscan_go_on(struct entryscan *s, struct slice bytes, struct arena *arena,
    const struct reply **ret_reply);

/* Whether the bytes, at the beginning of a reply, may be such a one. */
bool entryscan_fits(struct slice bytes);

#endif
