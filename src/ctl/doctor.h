/* SPDX-License-Identifier: MIT */
/* The checks of `sluicectl doctor`: a row each in doctor.c, and what they share. None changes
 * anything on the server. */
#ifndef SLUICED_CTL_DOCTOR_H
#define SLUICED_CTL_DOCTOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "ctl/command.h"
#include "ctl/findings.h"
#include "ctl/target.h"

enum ctl_exit doctor_run(struct ctl *c);

/* The daemon of this configuration on this machine, as far as it can be seen. */
struct service {
	pid_t pid;      /* 0: none runs */
	uid_t uid;      /* whose handlers are: of the daemon, else of who would run it */
	bool is_hidden; /* one may run: we may not look into its directory */
};

struct doctor {
	struct ctl *ctl;
	struct service service;
	struct findings findings;

	/* What is being looked at. */
	const struct check *check;
	const char *section;
	struct place *place;                      /* where a server or a stream is */
	const struct consumer_settings *consumer; /* NULL: of no file */
	struct targets *targets;                  /* of the consumer */
	struct target *target;                    /* the stream */
	bool is_watched, is_twin;                 /* the consumer's name: see doctor_stream.c */
};

/* Notes what was found, for the check that is being made. The text has no full stop. */
void doctor_note(struct doctor *d, enum health health, const char *format, ...) PRINTF_LIKE(3, 4);
/* What to do about that. */
#define doctor_advise(d, ...) findings_advise(&(d)->findings, __VA_ARGS__)

/*
 * Sends the command that was begun at d->place. NULL when nothing can be learned, after noting so:
 * no answer, or a right is missing (named in the note), or the server knows no such command. Any
 * other error is an answer.
 */
const struct reply *doctor_ask(struct doctor *d, const char *right);

/* Whether an error says that this very user may not. */
bool is_refusal(const struct reply *r);

/* The checks. */
void look_at_version(struct doctor *d);
void look_at_eviction(struct doctor *d);
void look_at_persistence(struct doctor *d);
void look_at_clock(struct doctor *d);
void look_at_rights(struct doctor *d);
void look_at_handler(struct doctor *d);
void look_at_stream(struct doctor *d);
void look_at_group(struct doctor *d);
void look_at_dead_letters(struct doctor *d);
void look_at_name(struct doctor *d);
void look_at_trimming(struct doctor *d);
void look_at_daemon(struct doctor *d);
void look_at_descriptors(struct doctor *d);
void look_at_journal(struct doctor *d);

/* Finds the daemon. */
void service_find(struct doctor *d);

#endif
