/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told: that the daemon is ready, is applying a new configuration, is
 * leaving; one line of facts, and that its loop still turns. Nothing here blocks, and what the
 * manager must know is sent again until its socket has taken it.
 */
#ifndef SLUICED_DAEMON_NOTIFY_H
#define SLUICED_DAEMON_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "loop/loop.h"

struct notify;

struct notify_facts {
	size_t n_consumers, n_connected, n_held;
	uint64_t n_dead; /* dead-lettered since the start */
};

struct notify_spec {
	struct loop *loop;
	void *owner;
	struct notify_facts (*facts)(void *owner);
};

/* NULL where nobody wants to be told: $NOTIFY_SOCKET is not set. The other calls do nothing then.
 * The loop has begun to turn, or will: the watchdog is fed from now on. */
struct notify *notify_new(const struct notify_spec *spec);

/*
 * Every consumer has tried to connect; or a reload is over, whether it was applied or refused. The
 * remark, if any, stands behind the facts until the next call: why it was refused. It is copied,
 * and may hold any bytes.
 */
void notify_ready(struct notify *n, const char *remark);

/* A reload begins. notify_ready() must follow, or the unit stays in "reloading". */
void notify_reloading(struct notify *n);

/* The daemon drains, and asks for more time again and again until it leaves. What is told after
 * that is the facts alone. */
void notify_stopping(struct notify *n);

void notify_free(struct notify *n);

#endif
