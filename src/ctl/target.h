/* SPDX-License-Identifier: MIT */
/* The stream and group that a command is about: a consumer of the configuration, or --stream S and
 * --group G. A consumer of several streams is several targets. */
#ifndef SLUICED_CTL_TARGET_H
#define SLUICED_CTL_TARGET_H

#include "ctl/ctl.h"

struct target {
	const struct consumer_settings *settings; /* NULL with --group */
	const char *stream, *group;
	const char *consumer; /* the configured one's name in the group; NULL when not known */
	char *dead_letters;   /* the dead-letter stream; NULL: none */
	struct place place;   /* where the stream is; closed at first */
};

struct targets {
	struct target *items;
	size_t len;
};

/*
 * What the arguments name. DONE with at least one; FAILED, USAGE or MISSING after saying why on
 * standard error. targets_done() closes the places of all.
 */
enum ctl_exit targets_find(struct ctl *c, struct targets *ret_targets) MUST_CHECK;

/* The same, and it must be one alone: for what is about an id. Its place is opened. */
enum ctl_exit target_open_one(struct ctl *c, struct targets *ret_targets) MUST_CHECK;

void targets_done(struct targets *t);

/* To whom its entries are given: --consumer, or else the configured one; NULL when neither says. */
const char *target_receiver(const struct ctl *c, const struct target *t);

/* Sends what has been begun at its place, about its group, and waits for the answer: DONE, or after
 * saying why FAILED, or MISSING when there is no such group. */
enum ctl_exit target_ask(struct target *t, const struct reply **ret_answer) MUST_CHECK;

/* DONE, or FAILED after saying why. Fit to be called again. */
enum ctl_exit target_open(struct ctl *c, struct target *t) MUST_CHECK;

#endif
