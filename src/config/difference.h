/* SPDX-License-Identifier: MIT */
/* What is different between two configurations, for a reload. */
#ifndef SLUICED_CONFIG_DIFFERENCE_H
#define SLUICED_CONFIG_DIFFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/settings.h"

enum consumer_difference {
	CONSUMER_SAME,
	CONSUMER_LIMITS,   /* what is there can go on with the new settings */
	CONSUMER_HANDLER,  /* handler processes have to be replaced */
	CONSUMER_IDENTITY, /* it is another one: the old one has to be drained first */
};

enum consumer_difference consumer_difference(const struct consumer_settings *a,
    const struct consumer_settings *b);

/* Whether the same Redis is reached in the same way. */
bool is_same_connection(const struct redis_settings *a, const struct redis_settings *b);

/* The first key of `daemon` that a reload cannot change and that is different; NULL when there is
 * none. */
const char *unchangeable_difference(const struct daemon_settings *a,
    const struct daemon_settings *b);

/* A number that is another one when the program of a handler, or a file among its arguments, has
 * been replaced: that is how a new version of it is deployed. */
uint64_t files_stamp(const struct handler_settings *h);

#endif
