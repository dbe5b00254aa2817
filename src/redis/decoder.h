/* SPDX-License-Identifier: MIT */
/* Bytes from a server in, replies out: hiredis' reader with objects of our own in an arena. */
#ifndef SLUICED_REDIS_DECODER_H
#define SLUICED_REDIS_DECODER_H

#include <stddef.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "redis/arena.h"
#include "redis/reply.h"

struct decoder;

/* Memory that decoders need while they are at work on a reply, and then leave to the others: a
 * quiet one holds none, and busy ones do not allocate. A zeroed cache is empty. */
struct decoder_cache {
	struct arena_cache arenas;
	struct buf in;
	struct redisReader *reader;
};

void decoder_cache_done(struct decoder_cache *c);

/* The library that decodes: its name and version. */
const char *decoder_library(void);

struct decoder *decoder_new(struct decoder_cache *cache) MUST_CHECK;
void decoder_free(struct decoder *d);

/* Takes bytes in (copied). 0, or -EPROTO after which the decoder is of no more use. */
int decoder_feed(struct decoder *d, const char *data, size_t len) MUST_CHECK;

/* The next whole reply, valid until decoder_release(); NULL in *ret_reply when more bytes are
 * needed. 0, or -EPROTO when the bytes are no RESP2. */
int decoder_next(struct decoder *d, const struct reply **ret_reply) MUST_CHECK;

/* Gives back the memory of the last reply. */
void decoder_release(struct decoder *d);

#endif
