/* SPDX-License-Identifier: MIT */
/*
 * Host names to addresses without blocking the loop: getaddrinfo() has no non-blocking form and may
 * take half a minute when DNS is down, so each lookup runs in a thread of its own. Who asks for
 * what is being looked up already gets the same answer.
 */
#ifndef SLUICED_REDIS_RESOLVE_H
#define SLUICED_REDIS_RESOLVE_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/compiler.h"
#include "loop/loop.h"

struct address {
	struct sockaddr_storage storage;
	socklen_t len;
	int family;
};

enum { ADDRESSES_MAX = 16 };

struct address_list {
	struct address items[ADDRESSES_MAX];
	unsigned len;
};

struct resolver;
struct resolution;

struct resolver *resolver_new(struct loop *loop) MUST_CHECK;

/* Lookups that still run finish on their own and are forgotten. */
void resolver_free(struct resolver *r);

/* A numeric host needs no lookup: 0, or -EINVAL when it is a name. */
int resolve_numeric(const char *host, uint16_t port, struct address_list *ret_list) MUST_CHECK;

/* on_done is called once from the loop, with the list, or NULL and why. The resolution is over with
 * that call. */
typedef void resolved_fn(void *owner, const struct address_list *list, const char *why);
struct resolution *resolve_start(struct resolver *r, const char *host, uint16_t port,
    resolved_fn *on_done, void *owner) MUST_CHECK;

/* on_done will not be called. */
void resolve_cancel(struct resolution *r);

#endif
