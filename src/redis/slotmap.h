/* SPDX-License-Identifier: MIT */
/* The answer to CLUSTER SLOTS: which primary serves which slots. */
#ifndef SLUICED_REDIS_SLOTMAP_H
#define SLUICED_REDIS_SLOTMAP_H

#include <stdint.h>

#include "base/compiler.h"
#include "redis/endpoint.h"
#include "redis/reply.h"

struct slot_range {
	uint16_t first, last;
	struct endpoint primary;
};

/*
 * The i-th range. `asked` is the node that answered: one that does not know its own name leaves it
 * out, and means the host that the client has reached it by. 0, or -EPROTO.
 */
int slotmap_range(const struct reply *slots, size_t i, const struct endpoint *asked,
    struct slot_range *ret_range) MUST_CHECK;

/* The k-th replica of the i-th range: 0, -ENOENT when there are not so many, or -EPROTO. */
int slotmap_replica(const struct reply *slots, size_t i, size_t k, const struct endpoint *asked,
    struct endpoint *ret_at) MUST_CHECK;

/*
 * "MOVED 3999 127.0.0.1:6381" and "ASK 3999 …": where to. A node without a name of its own,
 * ":6381", is on the host that was asked. 0, or -EINVAL for another text.
 */
enum redirect_kind { REDIRECT_MOVED, REDIRECT_ASK };

struct redirect {
	enum redirect_kind kind;
	uint16_t slot;
	struct endpoint to;
};

int slotmap_redirect(struct slice error, const struct endpoint *asked,
    struct redirect *ret_redirect) MUST_CHECK;

#endif
