/* SPDX-License-Identifier: MIT */
/* A loop, a fake server in a temporary folder, what connections share, and the log. */
#ifndef SLUICED_TESTS_REDIS_FIXTURE_H
#define SLUICED_TESTS_REDIS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fakeserver.h"
#include "redis/conn.h"

struct fixture {
	struct loop *loop;
	char folder[64];
	struct fakeserver server;
	struct redis_settings settings;
	struct redis_host host;
	struct buf events; /* what callbacks noted, each with a blank before it */
	unsigned n_up, n_down, n_replies;
	struct conn *conn; /* freed with the fixture */
	int log_fd;
	char log[1 << 16];
	size_t n_fds_before;

	bool (*until)(struct fixture *f);
	ev_prepare looking;
	ev_timer bound;
	bool out_of_time;
};

/* On a unix socket; fixture_tcp() changes that. */
struct fixture *fixture_new(void);
void fixture_tcp(struct fixture *f, const char *host);

/* Checks that no descriptor is left open, too. */
void fixture_free(struct fixture *f);

/* Runs the loop until the condition holds; fails after ten seconds. */
void fixture_run(struct fixture *f, bool (*until)(struct fixture *f));

/* Runs the loop for so long. */
void fixture_run_ms(struct fixture *f, uint64_t ms);

void fixture_note(struct fixture *f, const char *format, ...) PRINTF_LIKE(2, 3);

/* The events since the last call, without the first blank; valid until the next note. */
const char *fixture_events(struct fixture *f);

/* All of the log so far. */
const char *fixture_log(struct fixture *f);
bool fixture_has_logged(struct fixture *f, const char *part);

size_t fixture_n_fds(void);

/* Callbacks of a connection whose owner is the fixture: "up", "down", and "NUMBER:REPLY" with the
 * number that was given as request. */
void fixture_on_up(void *f);
void fixture_on_down(void *f);
void fixture_on_reply(void *f, void *number, const struct reply *r);

/* Makes the fixture's connection; fixture_connect() waits until it is up, too. */
void fixture_conn(struct fixture *f);
void fixture_connect(struct fixture *f);

/* Sends the words of the command (by one blank) whose reply is noted with this number. */
void fixture_send(struct fixture *f, int number, const char *command, uint64_t within_ms);

bool fixture_is_up(struct fixture *f);

#endif
