/* SPDX-License-Identifier: MIT */
/*
 * Redis for a program that does one thing after the other: a command is sent, its answer waited
 * for. Beneath it are the daemon's own connections, so that whatever the daemon can reach (TLS,
 * Sentinels, a Cluster) is reached from here as well.
 */
#ifndef SLUICED_CTL_LINK_H
#define SLUICED_CTL_LINK_H

#include "base/buf.h"
#include "base/compiler.h"
#include "core/settings.h"
#include "redis/command.h"
#include "redis/fault.h"
#include "redis/keyspace.h"
#include "redis/reply.h"

struct link;

/* settings are borrowed for the life of the link. */
struct link *link_new(const struct redis_settings *settings) MUST_CHECK;
void link_free(struct link *l);

struct loop *link_loop(struct link *l);

/* Lets time pass, for at most ms; less after an interrupt (ctl/interrupt.h). */
void link_pause(struct link *l, uint64_t ms);

/* Turns the loop until an answer has come, a connection has changed, or somebody calls loop_stop(),
 * for at most ms. */
void link_turn(struct link *l, uint64_t ms);

/* The same, and for bytes to read at a descriptor that is no regular file. */
void link_turn_for_input(struct link *l, int fd, uint64_t ms);

/* A key, and the server that has it. */
struct place {
	struct link *link;
	struct home home;
	struct buf command;  /* the next one */
	bool only_reads;     /* it changes nothing: see place_reads() */
	size_t n_unanswered; /* of those that were sent */
	bool was_up;         /* a connection that was lost is worth waiting for */
};

/* Connects: 0, or -errno after saying on standard error why not. key is borrowed. A place that is
 * open does not move in memory. */
int place_open(struct link *l, const char *key, struct place *ret_place) MUST_CHECK;
/* The same, but says nothing: *ret_why, zeroed before, tells why not; it stays empty after an
 * interrupt. */
int place_try(struct link *l, const char *key, struct place *ret_place,
    struct fault *ret_why) MUST_CHECK;
/* Allowed for a zeroed one, and for one that could not be opened. */
void place_close(struct place *p);

/* Waits for the connection, if it is down: 0, or -errno after saying on standard error why not. */
int place_ready(struct place *p) MUST_CHECK;

/* Begins a command of n_args arguments (redis/command.h). */
struct buf *place_command(struct place *p, size_t n_args);

/* The command that was begun changes nothing: an interrupt ends the wait for an answer that does
 * not come. That of any other is waited for, or nobody could say whether it was done. */
void place_reads(struct place *p);

/* A whole command of texts that changes nothing, to be sent by ask(). The list ends with NULL. */
void place_words(struct place *p, const char *first, ...) __attribute__((sentinel));

/* Begins a call of a Lua script by its text: the keys and arguments follow. */
struct buf *place_eval(struct place *p, const char *text, size_t n_keys, size_t n_args);

/*
 * Sends the command and waits for the answer, which holds until the next ask() of the link. It
 * follows the key where that has moved. An error reply is an answer. NULL, after saying so on
 * standard error: none came, and what was asked for may have been done or not; or an interrupt has
 * ended the wait (place_reads()).
 */
const struct reply *ask(struct place *p) MUST_CHECK;

/* The same, for who has no use for an error: it is told on standard error, and NULL returned. */
const struct reply *ask_well(struct place *p) MUST_CHECK;

/* Whether an error is one that passes: the server refuses for now, or the key has moved. Nothing
 * was done; what the error says of the key's place has been noted. */
bool place_is_passing(struct place *p, const struct reply *answer);

/* Tells an error reply on standard error, with the right that is missing if it is one. */
void place_complain(const struct place *p, const struct reply *error);

/* Sends the command and does not wait: on_answer gets the answer, or NULL, during a later
 * place_wait() of the place. */
typedef void answer_fn(void *owner, const struct reply *answer);
void place_send(struct place *p, answer_fn *on_answer, void *owner);

/* Waits until at most so many are unanswered: 0, or -ENOTCONN when the connection was lost. */
int place_wait(struct place *p, size_t n_unanswered) MUST_CHECK;

#endif
