/* SPDX-License-Identifier: MIT */
/* For those who have nothing that watches metrics: figures over a limit are said in the log. */
#include "consumer/stream.h"

#include "base/clock.h"

static void say(const struct stream *s, enum alert_change change, const char *format,
    uint64_t value, uint64_t limit)
{
	struct log_fields fields = stream_log_fields(s);

	if (change == ALERT_SAME)
		return;
	log_event(change == ALERT_RAISED ? LEVEL_WARNING : LEVEL_NOTICE,
	    change == ALERT_RAISED ? EVENT_ALERT : EVENT_ALERT_OVER, &fields, format,
	    (unsigned long long)value, (unsigned long long)limit);
}

bool alerts_are_set(const struct consumer *c)
{
	const struct alert_settings *a = &c->settings->alerts;

	return a->lag || a->pending || a->oldest_ms;
}

/* What Redis does not know changes nothing. */
void alerts_group(struct stream *s)
{
	const struct alert_settings *a = &s->consumer->settings->alerts;
	const struct figures *f = &s->figures;

	if (f->lag.at_ms)
		say(s, alert_look(&s->alerts.lag, a->lag, f->lag.value),
		    "%llu entries wait to be read (alerts.lag is %llu)", f->lag.value, a->lag);
	if (f->pending.at_ms)
		say(s, alert_look(&s->alerts.pending, a->pending, f->pending.value),
		    "%llu entries are pending (alerts.pending is %llu)", f->pending.value,
		    a->pending);
}

/* Ids tell the time at which entries were added, by the server's clock. */
void alerts_oldest(struct stream *s)
{
	const struct alert_settings *a = &s->consumer->settings->alerts;
	uint64_t now_ms = clock_wall_ms(), added_ms = now_ms, age_ms;

	if (s->figures.oldest.at_ms)
		added_ms = s->figures.oldest.value;
	age_ms = now_ms > added_ms ? now_ms - added_ms : 0;
	say(s, alert_look(&s->alerts.oldest, a->oldest_ms, age_ms),
	    "the oldest pending entry is %llu ms old (alerts.oldest is %llu ms)", age_ms,
	    a->oldest_ms);
}
