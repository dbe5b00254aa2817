/* SPDX-License-Identifier: MIT */
/*
 * A server in the test's own loop that says what it is told to: it answers each command by the
 * first rule that fits, in pieces of any size, or not at all.
 */
#ifndef SLUICED_TESTS_FAKESERVER_H
#define SLUICED_TESTS_FAKESERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "loop/loop.h"

/* A command is looked up by its words, joined by blanks; a prefix of them fits. */
struct fake_rule {
	const char *command;
	const char *reply; /* bytes; NULL: none, ever; CLOSES: the connection is closed */
};

extern const char CLOSES[];

enum { FAKE_CLIENTS_MAX = 8, FAKE_RULES_MAX = 16 };

struct fake_client {
	struct fakeserver *server;
	int fd; /* -1: free */
	ev_io readable;
	ev_timer trickle;
	struct buf in, out;
	bool closing, subscribed;
};

struct fakeserver {
	struct loop *loop;
	int listener;
	ev_io accepting;
	char path[128]; /* of a unix socket */
	unsigned short port;
	struct fake_client clients[FAKE_CLIENTS_MAX];

	/* What it is told. */
	struct fake_rule rules[FAKE_RULES_MAX]; /* looked at before those of a friendly server */
	size_t n_rules;
	const char *greeting; /* said at once to whoever connects */
	size_t piece;         /* bytes written at a time; 0: all */
	bool is_deaf;         /* accepts, and reads nothing */
	bool closes_at_once;

	/* What it saw. */
	unsigned n_accepted;
	uint64_t accepted_at_ms[512];
	struct buf commands; /* each one and a '|' */
};

/* On a unix socket in the folder, or where folder is NULL on a port of the loopback address. */
void fakeserver_start(struct fakeserver *s, struct loop *loop, const char *folder);

void fakeserver_rule(struct fakeserver *s, const char *command, const char *reply);

/* To all who are connected. */
void fakeserver_say(struct fakeserver *s, const char *bytes, size_t len);
void fakeserver_hang_up(struct fakeserver *s);

/* To those who have subscribed to something. */
void fakeserver_publish(struct fakeserver *s, const char *bytes);

/* The commands seen since the last call; valid until the next one. */
const char *fakeserver_commands(struct fakeserver *s);

size_t fakeserver_n_clients(const struct fakeserver *s);

/* Listens no more, and hangs up. */
void fakeserver_stop(struct fakeserver *s);

#endif
