/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/parse.h"
#include "ctl/doctor.h"
#include "ctl/serverinfo.h"

/* ---- version */

static void note_version(struct doctor *d, const struct server_version *v)
{
	if (v->number >= 602)
		doctor_note(d, HEALTH_OK, "%s", v->text);
	else
		doctor_note(d, HEALTH_ERROR, "%s is too old: it has no XAUTOCLAIM", v->text);
	if (v->number < 602)
		doctor_advise(d, "Redis 6.2 or later, or Valkey");
}

/* Who may not ask for the version can still ask for what it takes. */
static void try_command(struct doctor *d, const char *right)
{
	const struct reply *r;

	place_words(d->place, "XAUTOCLAIM", d->place->home.key, "g", "c", "none", "0", NULL);
	r = ask(d->place);
	if (reply_is_error(r) && redis_error_class(r->text) == REDIS_UNSUPPORTED)
		note_version(d, &(struct server_version){ .text = "the server" });
	else if (!r || is_refusal(r))
		doctor_note(d, HEALTH_UNKNOWN, "could not be checked: it takes the right +%s",
		    right);
	else
		doctor_note(d, HEALTH_OK, "6.2 or later: it knows XAUTOCLAIM");
}

void look_at_version(struct doctor *d)
{
	struct server_version v;
	const struct reply *r;

	place_words(d->place, "INFO", "server", NULL);
	r = ask(d->place);
	if (!reply_is_error(r) && server_version_read(reply_text(r), &v) == 0)
		note_version(d, &v);
	else
		try_command(d, "info");
}

/* ---- eviction */

static bool is(struct slice value, const char *word)
{
	return slice_is(value, word);
}

static void note_policy(struct doctor *d, struct slice policy, uint64_t maxmemory)
{
	bool is_volatile = policy.len > 8 && memcmp(policy.data, "volatile", 8) == 0;

	if (is(policy, "noeviction"))
		doctor_note(d, HEALTH_OK, "noeviction");
	else if (is_volatile)
		doctor_note(d, HEALTH_WARNING,
		    "%.*s: keys with an expiry are removed when memory is full; streams have none",
		    (int)policy.len, policy.data);
	else if (maxmemory)
		doctor_note(d, HEALTH_ERROR,
		    "%.*s: whole streams are removed when memory is full, with all that is "
		    "pending",
		    (int)policy.len, policy.data);
	else
		doctor_note(d, HEALTH_WARNING,
		    "%.*s: whole streams would be removed as soon as there is a maxmemory",
		    (int)policy.len, policy.data);
	if (!is(policy, "noeviction"))
		doctor_advise(d, "CONFIG SET maxmemory-policy noeviction, and the same in the "
		                 "server's configuration");
}

void look_at_eviction(struct doctor *d)
{
	struct slice policy, limit;
	uint64_t maxmemory = 0;
	const struct reply *r;

	place_words(d->place, "INFO", "memory", NULL);
	r = doctor_ask(d, "info");
	if (!r)
		return;
	policy = info_value(reply_text(r), "maxmemory_policy");
	limit = info_value(reply_text(r), "maxmemory");
	if (parse_u64(limit, &maxmemory))
		maxmemory = 1;
	if (policy.len)
		note_policy(d, policy, maxmemory);
	else
		doctor_note(d, HEALTH_UNKNOWN, "could not be checked: the server does not tell");
}

/* ---- persistence */

static bool note_disk_trouble(struct doctor *d, struct slice info, bool has_aof)
{
	if (has_aof && is(info_value(info, "aof_last_write_status"), "err"))
		doctor_note(d, HEALTH_ERROR, "the append-only file could not be written");
	else if (is(info_value(info, "rdb_last_bgsave_status"), "err"))
		doctor_note(d, HEALTH_ERROR,
		    "the last snapshot failed: the server may refuse to write (MISCONF)");
	else
		return false;
	doctor_advise(d, "look into the server's log; is its disk full?");
	return true;
}

static void look_at_snapshots(struct doctor *d)
{
	const struct reply *r;

	place_words(d->place, "CONFIG", "GET", "save", NULL);
	r = doctor_ask(d, "config|get");
	if (!r)
		return;
	if (reply_text(reply_at(r, 1)).len) {
		doctor_note(d, HEALTH_OK,
		    "snapshots alone: a crash takes back what was done since the last one");
		return;
	}
	doctor_note(d, HEALTH_WARNING,
	    "none: a restart of the server loses every stream and all that is pending");
	doctor_advise(d, "CONFIG SET appendonly yes, and the same in the server's configuration");
}

void look_at_persistence(struct doctor *d)
{
	const struct reply *r;
	bool has_aof;

	place_words(d->place, "INFO", "persistence", NULL);
	r = doctor_ask(d, "info");
	if (!r)
		return;
	has_aof = is(info_value(reply_text(r), "aof_enabled"), "1");
	if (note_disk_trouble(d, reply_text(r), has_aof))
		return;
	if (has_aof)
		doctor_note(d, HEALTH_OK, "append-only file");
	else
		look_at_snapshots(d);
}

/* ---- clock */

enum { CLOCK_WARNING_MS = 1000 };

static uint64_t server_ms(const struct reply *time)
{
	uint64_t s = 0, us = 0;

	if (parse_u64(reply_text(reply_at(time, 0)), &s) ||
	    parse_u64(reply_text(reply_at(time, 1)), &us))
		return 0;
	return s * 1000 + us / 1000;
}

void look_at_clock(struct doctor *d)
{
	uint64_t before_ms = clock_wall_ms(), after_ms, theirs_ms, off_ms = 0;
	const struct reply *r;

	place_words(d->place, "TIME", NULL);
	r = doctor_ask(d, "time");
	if (!r)
		return;
	after_ms = clock_wall_ms();
	theirs_ms = server_ms(r);
	if (theirs_ms < before_ms)
		off_ms = before_ms - theirs_ms;
	else if (theirs_ms > after_ms)
		off_ms = theirs_ms - after_ms;
	if (off_ms < CLOCK_WARNING_MS) {
		doctor_note(d, HEALTH_OK, "as ours");
		return;
	}
	doctor_note(d, HEALTH_WARNING,
	    "%" PRIu64 ".%" PRIu64 " s %s ours: the ages of entries, trim.max_age and the times in "
	    "dead letters are off by as much",
	    off_ms / 1000, off_ms % 1000 / 100, theirs_ms < before_ms ? "behind" : "before");
	doctor_advise(d, "keep the time by NTP on both machines (timedatectl)");
}
