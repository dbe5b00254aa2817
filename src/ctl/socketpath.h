/* SPDX-License-Identifier: MIT */
/* Which daemon is meant where nobody has named its control socket: one that answers. */
#ifndef SLUICED_CTL_SOCKETPATH_H
#define SLUICED_CTL_SOCKETPATH_H

#include "base/buf.h"
#include "base/compiler.h"

/* Runtime directories of daemons; those of instances lie in them. */
struct socket_roots {
	const char *system; /* /run/sluiced */
	const char *own[2]; /* of the user's own, left out if they are another's; NULL: none */
};

/* 0 where somebody listens on the socket; else -errno of connecting to it: -ENOENT, -ECONNREFUSED
 * (a file that was left behind), -EACCES. */
int socketpath_probe(const char *path) MUST_CHECK;

/*
 * The system's daemon, else its instance if there is just one, else the user's own. 0, or
 *   -EEXIST  several instances: their paths, a line each;
 *   -EACCES  what may not be reached;
 *   -ENOENT  nobody listens anywhere: where was looked first.
 * ret_path becomes a string in each case.
 */
int socketpath_find(const struct socket_roots *roots, struct buf *ret_path) MUST_CHECK;

/* The same for the directories of one instance. -ENOENT: a daemon whose configuration has the name,
 * and which lies elsewhere, is told by its status alone. */
int socketpath_find_instance(const struct socket_roots *roots, const char *instance,
    struct buf *ret_path) MUST_CHECK;

#endif
