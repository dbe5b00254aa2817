/* SPDX-License-Identifier: MIT */
#include "redis/host.h"

void redis_host_done(struct redis_host *h)
{
	tls_context_free(h->tls);
	h->tls = NULL;
	decoder_cache_done(&h->decoders);
	buf_done(&h->spare_out);
}
