/* SPDX-License-Identifier: MIT */
/*
 * The pending entries of a consumer's group, for `top`: what `sluicectl pending` prints, run beside
 * it again and again, because a Redis that is slow or away must not stop the keys.
 */
#ifndef SLUICED_CTL_TOPPENDING_H
#define SLUICED_CTL_TOPPENDING_H

#include <jansson.h>
#include <stdint.h>

#include "ctl/childread.h"
#include "ctl/ctl.h"

struct toppending {
	struct ctl *ctl;
	char *name; /* of the consumer; NULL: nobody looks */
	struct childread child;
	uint64_t next_at_ms;
	json_t *rows; /* the last ones; NULL: none yet */
	char *error;  /* why there are none, on one line; NULL */
};

void toppending_init(struct toppending *p, struct ctl *ctl);
void toppending_done(struct toppending *p);

/* From now on those of this one, of nobody with NULL. */
void toppending_look_at(struct toppending *p, const char *name);

/* Starts the program if it is time, and takes what it has printed. */
void toppending_step(struct toppending *p, uint64_t now_ms);

#endif
