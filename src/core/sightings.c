/* SPDX-License-Identifier: MIT */
#include "core/sightings.h"

enum {
	SLACK_MS = 1000,
	DRIFT_SHARE = 256, /* the server's clock and ours may be set at different rates */
};

static struct sighting *place_of(struct sightings *s, struct entryid id)
{
	uint64_t mixed = (id.ms * 31 + id.seq) * 0x9E3779B97F4A7C15u;

	return &s->places[(mixed >> 32) % SIGHTINGS_MAX];
}

bool sightings_touched(struct sightings *s, const struct pending_row *row, uint64_t asked_at_ms,
    uint64_t now_ms)
{
	struct sighting *known = place_of(s, row->id);
	bool is_known = entryid_compare(known->id, row->id) == 0;
	int64_t not_before_ms = (int64_t)asked_at_ms - (int64_t)row->idle_ms;
	int64_t slack_ms = SLACK_MS + (int64_t)(now_ms - known->seen_at_ms) / DRIFT_SHARE;

	if (is_known && not_before_ms <= known->touched_at_ms + slack_ms)
		return false;
	*known = (struct sighting){ .id = row->id,
		.seen_at_ms = now_ms,
		.touched_at_ms = (int64_t)now_ms - (int64_t)row->idle_ms };
	return is_known;
}

void sightings_forget(struct sightings *s, struct entryid id)
{
	struct sighting *known = place_of(s, id);

	if (entryid_compare(known->id, id) == 0)
		*known = (struct sighting){ .id = { 0, 0 } };
}
