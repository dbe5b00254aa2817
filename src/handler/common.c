/* SPDX-License-Identifier: MIT */
#include "handler/common.h"

#include <string.h>

#include "base/clock.h"
#include "handler/environment.h"

enum { LOG_INTERVAL_MS = 10000 };

static void on_drained(struct deferred *d)
{
	struct common *c = container_of(d, struct common, drained);

	/* The owner may free the pool in this call. */
	c->spec.events.on_drained(c->spec.owner);
}

void common_init(struct common *c, const struct pool_spec *spec)
{
	const struct handler_settings *s = spec->settings;
	bool batches = s->mode == HANDLER_WORKER && s->window > 1;

	*c = (struct common){
		.spec = *spec,
		.loop = spec->host->loop,
		.settings = s,
		.concurrency = (uint32_t)s->concurrency,
		.environment = environment_new(spec->host->environment, s),
	};
	c->drained.run = on_drained;
	entryline_init(&c->line, spec->max_attempts, batches);
}

void common_done(struct common *c)
{
	loop_undefer(c->loop, &c->drained);
	handler_environment_free(c->environment);
	buf_done(&c->reason);
}

void common_number(struct common *c, struct entry *e)
{
	uint64_t now_ms = loop_now_ms(c->loop);

	if (now_ms != c->wall_for_ms) {
		c->wall_for_ms = now_ms;
		c->wall_ms = clock_wall_ms();
		entryline_set_deadline(&c->line, c->wall_ms + c->settings->timeout_ms);
	}
	e->tag = ++c->spec.host->last_tag;
	e->handed_at_ms = now_ms;
}

void common_settle(struct common *c, struct entry *e, const struct outcome *o)
{
	e->run = NULL;
	c->spec.events.on_verdict(c->spec.owner, e, o);
}

void common_room(struct common *c)
{
	c->spec.events.on_room(c->spec.owner);
}

void common_broken(struct common *c, const struct outcome *o)
{
	if (c->spec.events.on_broken)
		c->spec.events.on_broken(c->spec.owner, o);
}

void common_count_down(struct common *c, uint32_t n_processes)
{
	if (c->draining && !n_processes)
		loop_defer(c->loop, &c->drained);
}

struct log_fields common_log_fields(const struct common *c, pid_t pid)
{
	return (struct log_fields){
		.consumer = c->spec.consumer,
		.handler_pid = { .set = pid != 0, .value = (uint64_t)pid },
	};
}

void common_protocol_error(struct common *c, pid_t pid, const char *what)
{
	struct log_fields fields = common_log_fields(c, pid);
	uint64_t held_back;

	c->counters.protocol_errors++;
	if (!log_limit_pass(&c->protocol_log, loop_now_ms(c->loop), LOG_INTERVAL_MS, &held_back))
		return;
	if (held_back)
		log_event(LEVEL_WARNING, EVENT_PROTOCOL_ERROR, &fields,
		    "%s on the verdict channel, and %llu lines like it before", what,
		    (unsigned long long)held_back);
	else
		log_event(LEVEL_WARNING, EVENT_PROTOCOL_ERROR, &fields, "%s on the verdict channel",
		    what);
}

void common_log_start_failure(struct common *c, int error, uint64_t delay_ms)
{
	struct log_fields fields = common_log_fields(c, 0);
	uint64_t held_back;

	if (!log_limit_pass(&c->start_log, loop_now_ms(c->loop), LOG_INTERVAL_MS, &held_back))
		return;
	fields.delay_ms = (struct log_number){ .set = delay_ms != 0, .value = delay_ms };
	log_event(LEVEL_WARNING, EVENT_WORKER_ENDED, &fields, "%s cannot be started: %s",
	    c->settings->program, strerror(-error));
}

struct child_spec common_child_spec(struct common *c, const struct child_events *events)
{
	return (struct child_spec){
		.loop = c->loop,
		.settings = c->settings,
		.consumer = c->spec.consumer,
		.dropped_total = &c->counters.output_lines_dropped,
		.events = events,
	};
}
