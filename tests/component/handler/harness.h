/* SPDX-License-Identifier: MIT */
/*
 * A pool with a real loop and real processes. Whatever a test does, harness_done() checks what
 * always holds: each hand-over had exactly one verdict, no descriptor is left open, no child is
 * left unreaped.
 */
#ifndef SLUICED_TESTS_HANDLER_HARNESS_H
#define SLUICED_TESTS_HANDLER_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "handler/pool.h"

enum { HARNESS_ENTRIES = 4096, HARNESS_PAIRS = 4 };

/* An entry and its one verdict. */
struct handed {
	struct entry entry;
	unsigned n_handed, n_verdicts;
	struct outcome outcome;
	char detail[512];
	char stderr_tail[8192];
	unsigned order; /* among all verdicts, from 1 */
};

struct harness {
	struct loop *loop;
	struct handler_host host;
	struct handler_settings settings;
	struct origin origin;
	struct pool *pool;
	struct handed handed[HARNESS_ENTRIES];
	unsigned n_entries, n_handed, n_verdicts, n_rooms, n_drained, n_broken;
	struct outcome broken; /* the last event of it */
	char broken_detail[128];
	int log_fd;
	char *log; /* all of it so far, after harness_log() */
	size_t fds_before;
	bool no_verdicts; /* the pool was freed with entries in it */
};

/* Settings with defaults: exec mode, one process, the shell running the entry's field "how". */
struct harness *harness_new(void);

/* command: `sh -c script`. Call before harness_start(). */
void harness_script(struct harness *h, const char *script);

/* A shell worker that runs each entry's field "how"; $tag is its tag, $entry the line. */
void harness_worker(struct harness *h, uint64_t window);

/* The pool and, in worker mode, its processes: waits for all of them. */
void harness_start(struct harness *h);

/* Stops the pool if that was not done, and checks what always holds. */
void harness_done(struct harness *h);

/* Hands an entry with one field "how" over; there must be room. */
struct handed *harness_offer(struct harness *h, const char *how);
struct handed *harness_offer_fields(struct harness *h, const struct fields *f);
/* The same entry again, as a suspect if it has become one. */
void harness_offer_again(struct harness *h, struct handed *e, const char *how);

/* Turns the loop until condition(h, argument) or fails after 20 s. */
typedef bool harness_condition(struct harness *h, const void *argument);
void harness_wait(struct harness *h, harness_condition *condition, const void *argument);

/* Common conditions. */
void harness_wait_all(struct harness *h);                       /* no hand-over is open */
void harness_wait_verdict(struct harness *h, struct handed *e); /* e has one */
void harness_wait_room(struct harness *h, uint32_t room);       /* at least so much */
void harness_wait_log(struct harness *h, const char *text);     /* text is in the log */
void harness_wait_file(struct harness *h, const char *path);    /* path exists */
void harness_turn(struct harness *h, uint64_t ms);              /* just turns for so long */

/* Offers as room appears until n entries have had their verdict. */
void harness_pump(struct harness *h, const char *how, unsigned n);

/* The log as text (JSON lines). */
const char *harness_log(struct harness *h);
unsigned harness_log_count(struct harness *h, const char *text);

void assert_outcome(const struct handed *e, enum verdict verdict, enum failure failure,
    bool charged);

#endif
