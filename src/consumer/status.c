/* SPDX-License-Identifier: MIT */
#include "consumer/status.h"

#include "consumer/stream.h"

static const char *group_state_word(enum group_state state)
{
	switch (state) {
	case GROUP_UNKNOWN:
		return "unknown";
	case GROUP_ASKED:
		return "asked";
	case GROUP_READY:
		return "ready";
	case GROUP_STOPPED:
		break;
	}
	return "stopped";
}

/* ---- a consumer ---- */

static void add_pool(void *context, const struct pool *p)
{
	struct consumer_status *status = context;
	const struct pool_counters *n = pool_counters(p);

	status->n_processes += pool_processes(p);
	for (unsigned i = 0; i < WORKER_STATE_COUNT; i++)
		status->n_workers_in[i] += pool_workers_in(p, (enum worker_state)i);
	status->pool.protocol_errors += n->protocol_errors;
	status->pool.output_lines_dropped += n->output_lines_dropped;
	status->pool.workers_started += n->workers_started;
	status->pool.workers_ended += n->workers_ended;
}

void consumer_status(const struct consumer *c, struct consumer_status *ret_status)
{
	const struct consumer_settings *settings = c->settings;

	*ret_status = (struct consumer_status){
		.name = c->name,
		.group = c->group,
		.name_in_group = c->name_in_group,
		.settings = settings,
		.paused = c->paused,
		.draining = c->draining,
		.at_bound = c->at_bound && !consumer_is_halted(c),
		.breaker = c->breaker.state,
		.cooldown_ms = breaker_cooldown_ms(&c->breaker),
		.concurrency =
		    c->concurrency ? c->concurrency : (uint32_t)settings->handler.concurrency,
		.totals = &c->totals,
		.stats = &c->stats,
		.redis_errors = c->redis_errors,
		.timings = &c->timings,
		.n_reconnects = c->stats.reconnects + keyspace_n_losses(c->host->keyspace),
		.n_streams = c->n_streams,
	};
	pools_each(c, add_pool, ret_status);
	/* A process for an entry is at work as long as it is there. */
	if (settings->handler.mode == HANDLER_EXEC)
		ret_status->n_workers_in[WORKER_UP] += ret_status->n_processes;
}

struct visit {
	void (*visit)(void *context, const struct pool_process *process);
	void *context;
};

static void visit_pool(void *context, const struct pool *p)
{
	const struct visit *v = context;

	pool_each_process(p, v->visit, v->context);
}

void consumer_each_process(const struct consumer *c,
    void (*visit)(void *context, const struct pool_process *process), void *context)
{
	struct visit v = { .visit = visit, .context = context };

	pools_each(c, visit_pool, &v);
}

/* ---- a stream ---- */

/* What was asked too long ago is not known any more. */
static struct figure fresh(const struct stream *s, struct figure f)
{
	if (f.at_ms && stream_now_ms(s) - f.at_ms > FIGURES_AT_MOST_MS)
		return (struct figure){ 0 };
	return f;
}

static struct figures fresh_figures(const struct stream *s)
{
	const struct figures *f = &s->figures;

	return (struct figures){
		.length = fresh(s, f->length),
		.lag = fresh(s, f->lag),
		.pending = fresh(s, f->pending),
		.dead_letters = fresh(s, f->dead_letters),
		.oldest = fresh(s, f->oldest),
	};
}

void consumer_stream_status(const struct consumer *c, size_t i, struct stream_status *ret_status)
{
	const struct stream *s = &c->streams[i];
	bool reader_is_up = conn_is_up(s->reader.conn);

	*ret_status = (struct stream_status){
		.name = s->name,
		.dead_letters = s->dead_letters,
		.group_state = group_state_word(s->group.state),
		.reader_connected = reader_is_up,
		.command_connected = home_is_up(&s->home),
		.group_stopped = s->group.state == GROUP_STOPPED,
		.name_in_use = s->name_check.state == NAME_IN_USE,
		.twin = twin_is_about(s),
		.fault = reader_is_up ? "" : conn_last_fault(s->reader.conn),
		.server = home_endpoint(&s->home),
		.complaint = s->complaint.text ? s->complaint.text : "",
		.complaint_kind = redis_error_word(s->complaint.class),
		.complained_at_ms = s->complaint.at_ms,
		.n_held = s->entries.n_held,
		.abilities = home_abilities(&s->home),
		.figures = fresh_figures(s),
	};
}

/* ---- what is in the way ---- */

static const char *obstacle_of_stream(const struct stream *s)
{
	if (!home_is_up(&s->home) || !conn_is_up(s->reader.conn))
		return "not connected";
	if (s->group.state == GROUP_STOPPED)
		return "the group does not exist";
	if (s->name_check.state == NAME_IN_USE)
		return "the consumer name is in use elsewhere";
	return NULL;
}

void consumer_each_obstacle(const struct consumer *c,
    void (*tell)(void *context, const char *obstacle), void *context)
{
	if (!breaker_is_closed(&c->breaker))
		tell(context, "the breaker is open");
	if (c->at_bound && !consumer_is_halted(c))
		tell(context, "a bound on what is held is reached");
	for (size_t i = 0; i < c->n_streams; i++) {
		const char *obstacle = obstacle_of_stream(&c->streams[i]);
		struct buf text = { 0 };

		if (!obstacle)
			continue;
		buf_printf(&text, "stream %s: %s", c->streams[i].name, obstacle);
		buf_append_char(&text, '\0');
		tell(context, buf_data(&text));
		buf_done(&text);
	}
}
