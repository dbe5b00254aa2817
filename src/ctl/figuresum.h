/* SPDX-License-Identifier: MIT */
/* What Redis tells of single streams, for a consumer as a whole. */
#ifndef SLUICED_CTL_FIGURESUM_H
#define SLUICED_CTL_FIGURESUM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct figure_sum {
	bool is_known; /* of every stream */
	uint64_t value;
};

/* The sum of "length", "lag" or "pending" of the streams of a consumer in the daemon's status. */
struct figure_sum figure_sum_of(const json_t *consumer, const char *key);

/* Each dead-letter stream once, though several streams may share it. */
struct figure_sum figure_dead_letters(const json_t *consumer);

/* Of the streams, the longest; not known where none is. */
struct figure_sum figure_oldest_pending_ms(const json_t *consumer);

/* False while Redis is still being asked for what the first look has made the daemon want. */
bool figures_are_here(const json_t *status);

#endif
