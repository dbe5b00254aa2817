/* SPDX-License-Identifier: MIT */
/* Sockets that the control interface listens on. */
#ifndef SLUICED_CONTROL_LISTENER_H
#define SLUICED_CONTROL_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/compiler.h"

struct listener {
	int fd;       /* non-blocking, closed on exec */
	bool is_unix; /* only who may open the file gets here */
	char *path;   /* of the file that was made, and that listener_close() removes; or NULL */
	dev_t device;
	ino_t inode;
};

/* A name may stand for several addresses: localhost. */
enum { LISTENERS_MAX = 8 };
struct listeners {
	struct listener items[LISTENERS_MAX];
	size_t len;
};

/*
 * Opens what daemon.listen says: unix:PATH with ?mode= and &group=, or HOST:PORT. A socket file
 * that nobody answers on is replaced. 0, or -errno with a text for people in ret_why. May wait for
 * the resolver: for the start only.
 */
int listeners_open(const char *where, struct listeners *ret_listeners,
    struct buf *ret_why) MUST_CHECK;

/* Takes a listening socket that was passed on by the service manager. */
int listener_adopt(int fd, struct listener *ret_listener) MUST_CHECK;

/* Removes the file of a unix socket if it is still the one that was made. */
void listener_close(struct listener *l);

#endif
