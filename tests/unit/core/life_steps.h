/* SPDX-License-Identifier: MIT */
/*
 * Inside the model: the steps. Each takes a copy of the world, returns whether it can happen there,
 * and leaves the copy as it would be then.
 */
#ifndef SLUICED_TESTS_LIFE_STEPS_H
#define SLUICED_TESTS_LIFE_STEPS_H

#include "core/entryset.h"
#include "core/policy.h"
#include "life.h"

/* The ways in which it is taken, and whether the daemon must be alive. */
#define STEPS(X)                                                                                   \
	X(read_new, WAY_ALL, LIVING, "reads it")                                                   \
	X(read_arrives, WAY_ALL, LIVING, "gets the reply of the read")                             \
	X(read_lost, 0, LIVING, "loses the reply of the read")                                     \
	X(see_stale, WAY_ALL, LIVING, "sees it stale")                                             \
	X(claim, WAY_ALL, LIVING, "claims it")                                                     \
	X(see_ours, WAY_ALL, LIVING, "sees it pending on its name")                                \
	X(taken_arrives, WAY_ALL, LIVING, "holds it now")                                          \
	X(taken_lost, 0, LIVING, "loses the reply of the claim")                                   \
	X(begin, WAY_ALL, LIVING, "sends begin")                                                   \
	X(send, WAY_ALL, LIVING, "sends what became of it")                                        \
	X(carried_out, WAY_ALL, LIVING, "has its command carried out")                             \
	X(refused, 0, LIVING, "is refused by the dead-letter stream")                              \
	X(answer_arrives, WAY_ALL, LIVING, "gets the answer")                                      \
	X(answer_lost, 0, LIVING, "loses the answer")                                              \
	X(renew, WAY_ALL, LIVING, "renews it")                                                     \
	X(renewal_arrives, WAY_ALL, LIVING, "gets the answer of the renewal")                      \
	X(renewal_lost, 0, LIVING, "loses the answer of the renewal")                              \
	X(lease_runs_out, WAY_ALL, DEAD, "has let its lease run out, rightly")                     \
	X(lease_neglected, 0, LIVING, "could not renew it in time")                                \
	X(hand_over, WAY_ALL, LIVING, "hands it over")                                             \
	X(says_ok, WAY_OK, LIVING, "is told ok")                                                   \
	X(says_retry, WAY_RETRY, LIVING, "is told retry")                                          \
	X(says_dead, WAY_DEAD, LIVING, "is told dead")                                             \
	X(says_release, 0, LIVING, "is told release")                                              \
	X(neighbour_dies, 0, LIVING, "runs it in vain, a neighbour dies")                          \
	X(give_back, 0, LIVING, "gives it back")                                                   \
	X(trim, 0, DEAD, "(the stream is trimmed)")                                                \
	X(crash, 0, LIVING, "crashes")                                                             \
	X(restart, 0, DEAD, "starts again")                                                        \
	X(restart_of_the_last, WAY_ALL, DEAD, "starts again, the only one")

#define X(name, ways, who, text) bool step_##name(struct life *l);
STEPS(X)
#undef X

/* The move of the daemon's entry, which must be in the table; and what is forgotten with it. */
void life_move(struct life *l, enum entry_state to);
void life_forget(struct life *l);

/* What follows when it is seen to be another's, or without data. */
void life_lease_lost(struct life *l);
void life_seen_trimmed(struct life *l);

bool life_is_leased(const struct view *v);

/* The rules of core/policy for this scope; retry is where they are kept. */
struct policy life_policy(const struct scope *scope, struct retry_settings *retry);

#endif
