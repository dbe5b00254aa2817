/* SPDX-License-Identifier: MIT */
/*
 * Replies as typed values. They live in an arena of the connection that decoded them: a reply and
 * everything in it is gone when the callback that was given it returns.
 */
#ifndef SLUICED_REDIS_REPLY_H
#define SLUICED_REDIS_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"
#include "core/entryid.h"
#include "core/sweep.h"

enum reply_type {
	REPLY_NIL,
	REPLY_INTEGER,
	REPLY_TEXT,   /* a bulk string: any bytes */
	REPLY_STATUS, /* a simple string such as OK */
	REPLY_ERROR,
	REPLY_ARRAY,
};

/* A reply with more items than this is taken for damage: read.count and the number of fields of an
 * entry stay far below. */
enum { REPLY_ITEMS_MAX = 1 << 22 };

struct reply {
	enum reply_type type;
	union {
		int64_t integer;
		struct slice text; /* TEXT, STATUS, ERROR */
		struct {
			struct reply *items;
			size_t len;
		} array;
	};
};

/* Accessors for what has another type, or is not there: the neutral value. */
static inline bool reply_is_error(const struct reply *r)
{
	return r && r->type == REPLY_ERROR;
}

static inline size_t reply_len(const struct reply *r)
{
	return r && r->type == REPLY_ARRAY ? r->array.len : 0;
}

static inline const struct reply *reply_at(const struct reply *r, size_t i)
{
	return i < reply_len(r) ? &r->array.items[i] : NULL;
}

static inline struct slice reply_text(const struct reply *r)
{
	if (r && (r->type == REPLY_TEXT || r->type == REPLY_STATUS || r->type == REPLY_ERROR))
		return r->text;
	return (struct slice){ "", 0 };
}

/* Takes the reply to a command whose answer does not matter (reply_fn of redis/conn.h). */
void reply_ignored(void *owner, void *request, const struct reply *reply);

int64_t reply_integer(const struct reply *r);
bool reply_is_status(const struct reply *r, const char *word);

/*
 * The entries of an XREADGROUP reply for one stream, `[[key, [[id, fields], …]]]`, or NULL when
 * there are none (nil after a BLOCK that ran out).
 */
const struct reply *reply_read_entries(const struct reply *r);

/* One entry, `[id, fields]`. fields is NIL for an entry whose data is gone. 0 or -EPROTO. */
int reply_entry(const struct reply *r, struct entryid *ret_id,
    const struct reply **ret_fields) MUST_CHECK;

/* A row of XPENDING in its long form: 0 or -EPROTO. */
int reply_pending_row(const struct reply *r, struct pending_row *ret_row) MUST_CHECK;

/* The highest id in the reply to XPENDING without a range; 0-0 when nothing is pending. */
struct entryid reply_last_pending(const struct reply *r);

/* What an error reply means for us. */
#define REDIS_ERRORS(X)                                                                            \
	X(TEMPORARY, "temporary")     /* try again with backoff */                                 \
	X(READONLY, "readonly")       /* this is no primary (any more) */                          \
	X(NO_WRITES, "no_writes")     /* writes refused for now: replicas or disk are missing */   \
	X(OOM, "oom")                 /* maxmemory reached: XADD refused, XACK still works */      \
	X(MOVED, "moved")             /* the key lives on another node of a cluster */             \
	X(CROSSSLOT, "crossslot")     /* keys of one command on several nodes */                   \
	X(NOGROUP, "nogroup")         /* the stream or the group is gone */                        \
	X(WRONGTYPE, "wrongtype")     /* the key is no stream */                                   \
	X(AUTH, "auth")               /* credentials or permissions */                             \
	X(NOSCRIPT, "noscript")       /* the server has forgotten its scripts */                   \
	X(UNSUPPORTED, "unsupported") /* the server does not know the command */                   \
	X(BUSYGROUP, "busygroup")     /* the group exists already */                               \
	X(UNKNOWN, "unknown")         /* temporary, with a long backoff */

enum redis_error {
#define X(name, word) REDIS_##name,
	REDIS_ERRORS(X)
#undef X
	    REDIS_ERROR_COUNT
};

/* Classifies the text of an error reply by its first word. */
enum redis_error redis_error_class(struct slice error);

const char *redis_error_word(enum redis_error e);

#endif
