/* SPDX-License-Identifier: MIT */
/* The control interface: what can be asked and told over HTTP on the `listen` sockets. */
#ifndef SLUICED_DAEMON_API_H
#define SLUICED_DAEMON_API_H

#include "base/buf.h"
#include "core/settings.h"
#include "daemon/roster.h"

struct api;

/* What it is given by the daemon; borrowed, and outlives it. */
struct api_spec {
	struct loop *loop;
	const struct roster *roster;
	const char *instance, *hostname;
	void *owner;
	/* One word: "running", … */
	const char *(*state)(void *owner);
	/* As SIGTERM and SIGHUP. The latter: 0, or a negative errno (-EBUSY: it is stopping) when
	 * nothing was changed; a line for each error or warning. */
	void (*drain)(void *owner);
	int (*reload)(void *owner, struct buf *ret_lines);
};

/* Listens on all of them, on inherited sockets where there are any. NULL when one cannot be
 * listened on: the log says why. */
struct api *api_new(const struct api_spec *spec, const struct string_list *listen) MUST_CHECK;

/* NULL is allowed. */
void api_free(struct api *a);

#endif
