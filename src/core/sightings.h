/* SPDX-License-Identifier: MIT */
/*
 * When pending entries were last touched (delivered, claimed, renewed), as far as their idle times
 * tell. Between two looks an idle time grows by what has passed; where it did not, somebody has
 * touched the entry. Pure.
 */
#ifndef SLUICED_CORE_SIGHTINGS_H
#define SLUICED_CORE_SIGHTINGS_H

#include "core/sweep.h"

/* So many are remembered at most; one that shares its place with another is forgotten for it. */
enum { SIGHTINGS_MAX = 512 };

struct sighting {
	struct entryid id; /* 0-0: none */
	uint64_t seen_at_ms;
	int64_t touched_at_ms; /* not after this; before the clock began, if need be */
};

/* Zero-initialise. */
struct sightings {
	struct sighting places[SIGHTINGS_MAX];
};

/*
 * Notes a row that was asked for at one time and has come at another, and returns whether it was
 * touched since it was first noted. When the server wrote the row is between the two: a reply that
 * was held up is no touch.
 */
bool sightings_touched(struct sightings *s, const struct pending_row *row, uint64_t asked_at_ms,
    uint64_t now_ms);

/* What we have touched ourselves. */
void sightings_forget(struct sightings *s, struct entryid id);

#endif
