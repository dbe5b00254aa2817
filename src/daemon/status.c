/* SPDX-License-Identifier: MIT */
#include "daemon/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "daemon/process.h"

/* ---- pairs ---- */

static void object_begin(struct json *j, const char *key)
{
	json_key(j, key);
	json_object_begin(j);
}

static void array_begin(struct json *j, const char *key)
{
	json_key(j, key);
	json_array_begin(j);
}

/* ---- a stream ---- */

static void write_figure(struct json *j, const char *key, const struct figure *f)
{
	json_key(j, key);
	if (f->at_ms)
		json_u64(j, f->value);
	else
		json_null(j);
}

static void write_figures(struct json *j, const struct view *v, const struct figures *f)
{
	uint64_t now_ms = loop_wall_ms(v->loop), oldest_ms = f->oldest.value;

	write_figure(j, "length", &f->length);
	write_figure(j, "lag", &f->lag);
	write_figure(j, "pending", &f->pending);
	json_key(j, "oldest_pending_ms");
	if (f->oldest.at_ms)
		json_u64(j, now_ms > oldest_ms ? now_ms - oldest_ms : 0);
	else
		json_null(j);
	write_figure(j, "dead_letter_length", &f->dead_letters);
}

/* Without an endpoint of its own it is where the configuration says, unless Sentinels do. */
static void write_server(struct json *j, const struct member *m, const struct stream_status *s)
{
	const struct redis_settings *redis = &m->site->config->redis;
	char *url;

	json_key(j, "server");
	if (s->server) {
		json_text(j, endpoint_text(s->server).text);
	} else if (redis->sentinel.master) {
		json_null(j);
	} else {
		url = redisurl_format(&redis->url);
		json_text(j, url);
		free(url);
	}
}

static void write_ability(struct json *j, const struct abilities *a, enum ability which)
{
	json_key(j, ability_word(which));
	if (!a || a->states[which] == ABILITY_UNKNOWN)
		json_null(j);
	else
		json_bool(j, a->states[which] == ABILITY_HAS);
}

/* What its server can do, and which way is taken because of that. */
static void write_abilities(struct json *j, const struct abilities *a)
{
	json_pair_text(j, "server_version", a && *a->version ? a->version : NULL);
	object_begin(j, "abilities");
	for (unsigned i = 0; i < ABILITY_COUNT; i++)
		write_ability(j, a, (enum ability)i);
	json_object_end(j);
	object_begin(j, "paths");
	for (unsigned i = 0; i < ABILITY_COUNT; i++)
		json_pair_text(j, ability_word((enum ability)i),
		    a ? ability_path(a, (enum ability)i) : NULL);
	json_object_end(j);
}

static void write_complaint(struct json *j, const struct view *v, const struct stream_status *s)
{
	json_key(j, "last_error");
	if (!s->complained_at_ms) {
		json_null(j);
		return;
	}
	json_object_begin(j);
	json_pair_text(j, "kind", s->complaint_kind);
	json_pair_text(j, "text", s->complaint);
	json_pair_u64(j, "age_ms", loop_now_ms(v->loop) - s->complained_at_ms);
	json_object_end(j);
}

static void write_stream(struct json *j, const struct view *v, const struct member *m, size_t i)
{
	struct stream_status s;

	consumer_stream_status(m->consumer, i, &s);
	json_object_begin(j);
	json_pair_text(j, "stream", s.name);
	json_pair_text(j, "dead_letter_stream", s.dead_letters);
	json_pair_text(j, "group_state", s.group_state);
	json_pair_bool(j, "name_in_use", s.name_in_use || s.twin);
	object_begin(j, "connected");
	json_pair_bool(j, "reader", s.reader_connected);
	json_pair_bool(j, "command", s.command_connected);
	json_object_end(j);
	json_pair_text(j, "fault", *s.fault ? s.fault : NULL);
	write_server(j, m, &s);
	write_abilities(j, s.abilities);
	write_complaint(j, v, &s);
	json_pair_u64(j, "held", s.n_held);
	write_figures(j, v, &s.figures);
	json_object_end(j);
}

/* ---- a consumer ---- */

static void write_held(struct json *j, const struct entry_totals *totals)
{
	static const char *const words[] = VIEW_HELD_WORDS;

	object_begin(j, "held");
	for (const char *const *word = words; *word; word++)
		json_pair_u64(j, *word, view_held(totals, *word));
	json_pair_u64(j, "total", totals->n_held);
	json_pair_u64(j, "bytes", totals->bytes);
	json_object_end(j);
}

static void write_counter(void *context, const struct stats_row *row)
{
	json_pair_u64(context, row->name, row->value);
}

static void write_counters(struct json *j, const struct consumer_status *c)
{
	object_begin(j, "counters");
	stats_each(c->stats, write_counter, j);
	json_object_end(j);
	object_begin(j, "redis_errors");
	for (unsigned i = 0; i < REDIS_ERROR_COUNT; i++)
		json_pair_u64(j, redis_error_word((enum redis_error)i), c->redis_errors[i]);
	json_object_end(j);
}

static const char *breaker_word(enum breaker_state state)
{
	switch (state) {
	case BREAKER_CLOSED:
		return "closed";
	case BREAKER_OPEN:
		return "open";
	case BREAKER_TRIABLE:
		return "triable";
	case BREAKER_TRYING:
		break;
	}
	return "trying";
}

static void write_breaker(struct json *j, const struct consumer_status *c)
{
	object_begin(j, "breaker");
	json_pair_text(j, "state", breaker_word(c->breaker));
	json_key(j, "cooldown_ms");
	if (c->breaker == BREAKER_CLOSED)
		json_null(j);
	else
		json_u64(j, c->cooldown_ms);
	json_object_end(j);
}

static void write_process(void *context, const struct pool_process *process)
{
	struct json *j = context;

	json_object_begin(j);
	json_pair_u64(j, "pid", (uint64_t)process->pid);
	json_pair_text(j, "state", worker_state_word(process->state));
	json_pair_u64(j, "in_flight", process->n_entries);
	json_object_end(j);
}

static void write_handler(struct json *j, const struct member *m, const struct consumer_status *c)
{
	const struct handler_settings *h = &c->settings->handler;

	object_begin(j, "handler");
	json_pair_text(j, "mode", h->mode == HANDLER_WORKER ? "worker" : "exec");
	json_pair_u64(j, "concurrency", c->concurrency);
	json_pair_u64(j, "configured_concurrency", h->concurrency);
	json_pair_u64(j, "window", h->window);
	json_pair_u64(j, "workers_started", c->pool.workers_started);
	json_pair_u64(j, "workers_ended", c->pool.workers_ended);
	json_pair_u64(j, "protocol_errors", c->pool.protocol_errors);
	json_pair_u64(j, "output_lines_dropped", c->pool.output_lines_dropped);
	array_begin(j, "processes");
	consumer_each_process(m->consumer, write_process, j);
	json_array_end(j);
	json_object_end(j);
}

static void write_numbers(struct json *j, const char *key, const uint64_t numbers[], size_t n)
{
	array_begin(j, key);
	for (size_t i = 0; i < n; i++)
		json_u64(j, numbers[i]);
	json_array_end(j);
}

/* The last count is of what took longer than all of le_ms. */
static void write_timing(struct json *j, const char *key, const struct histogram *h,
    const uint64_t bounds_ms[])
{
	object_begin(j, key);
	json_pair_u64(j, "count", histogram_count(h));
	json_pair_u64(j, "sum_ms", h->sum_ms);
	write_numbers(j, "le_ms", bounds_ms, HISTOGRAM_BOUNDS);
	write_numbers(j, "counts", h->counts, HISTOGRAM_BOUNDS + 1);
	json_object_end(j);
}

static void write_timings(struct json *j, const struct timings *t)
{
	object_begin(j, "timings");
	write_timing(j, "handler", &t->handler, histogram_durations_ms);
	write_timing(j, "queue", &t->queue, histogram_durations_ms);
	write_timing(j, "entry_age", &t->age, histogram_ages_ms);
	json_object_end(j);
}

static void write_obstacle(void *context, const char *obstacle)
{
	json_text(context, obstacle);
}

static const char *state_of(const struct consumer_status *c)
{
	if (c->draining)
		return "draining";
	return c->paused ? "paused" : "running";
}

static void write_streams(struct json *j, const struct view *v, const struct member *m,
    const struct consumer_status *c)
{
	array_begin(j, "streams");
	for (size_t i = 0; i < c->n_streams; i++)
		write_stream(j, v, m, i);
	json_array_end(j);
}

static void write_consumer(struct json *j, const struct view *v, const struct member *m)
{
	struct consumer_status c;

	consumer_status(m->consumer, &c);
	json_object_begin(j);
	json_pair_text(j, "name", c.name);
	json_pair_text(j, "group", c.group);
	json_pair_text(j, "consumer", c.name_in_group);
	json_pair_text(j, "state", state_of(&c));
	json_pair_bool(j, "paused", c.paused);
	json_pair_bool(j, "connected", consumer_is_connected(m->consumer));
	json_pair_bool(j, "at_bound", c.at_bound);
	array_begin(j, "obstacles");
	consumer_each_obstacle(m->consumer, write_obstacle, j);
	json_array_end(j);
	write_breaker(j, &c);
	write_held(j, c.totals);
	write_handler(j, m, &c);
	write_counters(j, &c);
	json_pair_u64(j, "reconnects", c.n_reconnects);
	write_timings(j, c.timings);
	write_streams(j, v, m, &c);
	json_object_end(j);
}

/* ---- pages ---- */

/* Consumers of a reload that have yet to start have nothing to tell. */
static void write_consumers(struct json *j, const struct view *v)
{
	array_begin(j, "consumers");
	for (const struct member *m = roster_next(v->roster, NULL); m;
	     m = roster_next(v->roster, m))
		write_consumer(j, v, m);
	json_array_end(j);
}

static void write_process_facts(struct json *j)
{
	struct process_facts f;

	process_facts(&f);
	object_begin(j, "process");
	json_pair_u64(j, "cpu_ms", f.cpu_ms);
	json_pair_u64(j, "resident_bytes", f.resident_bytes);
	json_pair_u64(j, "open_fds", f.n_fds);
	json_pair_u64(j, "max_fds", f.max_fds);
	json_object_end(j);
}

void status_write(const struct view *v, struct buf *to)
{
	struct json j = { .to = to };

	json_object_begin(&j);
	json_pair_text(&j, "instance", v->instance);
	json_pair_text(&j, "version", SLUICED_VERSION);
	json_pair_text(&j, "hostname", v->hostname);
	json_pair_u64(&j, "pid", (uint64_t)getpid());
	json_pair_text(&j, "state", v->state);
	json_pair_u64(&j, "started_ms", v->started_wall_ms);
	json_pair_u64(&j, "uptime_ms", loop_now_ms(v->loop) - v->started_at_ms);
	json_pair_u64(&j, "log_dropped", log_dropped_total());
	write_process_facts(&j);
	write_consumers(&j, v);
	json_object_end(&j);
	buf_append_char(to, '\n');
}

struct obstacles {
	struct json json;
	const char *consumer; /* NULL: the daemon itself */
	size_t n;
};

static void tell_obstacle(void *context, const char *obstacle)
{
	struct obstacles *o = context;

	o->n++;
	json_object_begin(&o->json);
	json_pair_text(&o->json, "consumer", o->consumer);
	json_pair_text(&o->json, "obstacle", obstacle);
	json_object_end(&o->json);
}

static void tell_of_member(struct obstacles *o, const struct member *m)
{
	o->consumer = m->settings->name;
	if (m->state == MEMBER_WAITING)
		tell_obstacle(o, "starts when its predecessor has left");
	else if (m->state == MEMBER_WORKING)
		consumer_each_obstacle(m->consumer, tell_obstacle, o);
}

static void tell_obstacles(struct obstacles *o, const struct view *v)
{
	if (strcmp(v->state, "running") != 0)
		tell_obstacle(o, v->state);
	list_foreach(&v->roster->members, node) {
		tell_of_member(o, container_of(node, struct member, node));
	}
}

bool readiness_write(const struct view *v, struct buf *to)
{
	struct obstacles o = { .json = { .to = to } };

	json_object_begin(&o.json);
	array_begin(&o.json, "obstacles");
	tell_obstacles(&o, v);
	json_array_end(&o.json);
	json_pair_bool(&o.json, "ready", !o.n);
	json_object_end(&o.json);
	buf_append_char(to, '\n');
	return !o.n;
}
