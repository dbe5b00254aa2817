/* SPDX-License-Identifier: MIT */
/* What all connections to one Redis share. */
#ifndef SLUICED_REDIS_HOST_H
#define SLUICED_REDIS_HOST_H

#include <stdint.h>

#include "base/buf.h"
#include "core/settings.h"
#include "loop/loop.h"
#include "redis/decoder.h"
#include "redis/resolve.h"
#include "redis/sentinel.h"
#include "redis/tls.h"

/* Outlives every connection. Set the loop, the resolver, the settings and the dice; zero the rest.
 */
struct redis_host {
	struct loop *loop;
	struct resolver *resolver;
	const struct redis_settings *settings;
	struct sentinels *sentinels; /* say where the primary is; NULL: the settings do */
	uint64_t dice;               /* state of the jitter */

	struct tls_context *tls; /* NULL until it is needed */
	struct decoder_cache decoders;
	struct buf spare_out; /* memory for the output of a connection that has some */
};

/* Frees what the connections have left in it; loop, resolver and Sentinels are the caller's. */
void redis_host_done(struct redis_host *h);

#endif
