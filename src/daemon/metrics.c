/* SPDX-License-Identifier: MIT */
/*
 * A row of the table below is a family, and names what writes its samples: for the daemon, for each
 * consumer, or for each stream of each consumer. What Redis does not tell, or has not told lately,
 * has no sample.
 */
#include "daemon/metrics.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "control/exposition.h"
#include "daemon/process.h"

struct metric;

/* A page that is being written. */
struct scrape {
	const struct view *view;
	struct buf *to;
	const struct metric *metric;
	struct labels labels; /* of whatever is looked at */
	struct process_facts process;
	struct consumer_status *consumers;
	const struct consumer **handles;
	size_t n_consumers;
};

struct metric {
	const char *name;
	enum exposition_type type;
	const char *help;
	void (*of_daemon)(struct scrape *x);
	void (*of_consumer)(struct scrape *x, const struct consumer_status *c);
	void (*of_stream)(struct scrape *x, const struct stream_status *s);
};

/* ---- samples ---- */

static struct labels with_label(const struct labels *labels, const char *name, const char *value)
{
	struct labels more = *labels;
	struct label *at = more.items;

	while (at->name)
		at++;
	assert(at < more.items + LABELS_MAX);
	*at = (struct label){ name, value };
	return more;
}

static void put(struct scrape *x, uint64_t value)
{
	exposition_u64(x->to, x->metric->name, &x->labels, value);
}

static void put_ms(struct scrape *x, uint64_t ms)
{
	exposition_ms(x->to, x->metric->name, &x->labels, ms);
}

static void put_with(struct scrape *x, const char *label, const char *label_value, uint64_t value)
{
	struct labels labels = with_label(&x->labels, label, label_value);

	exposition_u64(x->to, x->metric->name, &labels, value);
}

static void put_figure(struct scrape *x, const struct figure *f)
{
	if (f->at_ms)
		put(x, f->value);
}

/* ---- of a consumer ---- */

static void put_counter(void *context, const struct stats_row *row)
{
	struct scrape *x = context;

	if (strcmp(row->metric, x->metric->name) != 0)
		return;
	if (*row->label)
		put_with(x, row->label, row->label_value, row->value);
	else
		put(x, row->value);
}

static void counters(struct scrape *x, const struct consumer_status *c)
{
	stats_each(c->stats, put_counter, x);
}

static void held(struct scrape *x, const struct consumer_status *c)
{
	static const char *const words[] = VIEW_HELD_WORDS;

	for (const char *const *word = words; *word; word++)
		put_with(x, "state", *word, view_held(c->totals, *word));
}

static void held_bytes(struct scrape *x, const struct consumer_status *c)
{
	put(x, c->totals->bytes);
}

static void workers(struct scrape *x, const struct consumer_status *c)
{
	for (unsigned i = 0; i < WORKER_STATE_COUNT; i++)
		put_with(x, "state", worker_state_word((enum worker_state)i), c->n_workers_in[i]);
}

static void breaker_open(struct scrape *x, const struct consumer_status *c)
{
	put(x, c->breaker != BREAKER_CLOSED);
}

static void paused(struct scrape *x, const struct consumer_status *c)
{
	put(x, c->paused);
}

static void redis_errors(struct scrape *x, const struct consumer_status *c)
{
	for (unsigned i = 0; i < REDIS_ERROR_COUNT; i++)
		put_with(x, "kind", redis_error_word((enum redis_error)i), c->redis_errors[i]);
}

static void reconnects(struct scrape *x, const struct consumer_status *c)
{
	put(x, c->n_reconnects);
}

static void put_histogram(struct scrape *x, const uint64_t bounds_ms[], const struct histogram *h)
{
	exposition_histogram(x->to, x->metric->name, &x->labels, bounds_ms, h);
}

static void handler_seconds(struct scrape *x, const struct consumer_status *c)
{
	put_histogram(x, histogram_durations_ms, &c->timings->handler);
}

static void queue_seconds(struct scrape *x, const struct consumer_status *c)
{
	put_histogram(x, histogram_durations_ms, &c->timings->queue);
}

static void age_seconds(struct scrape *x, const struct consumer_status *c)
{
	put_histogram(x, histogram_ages_ms, &c->timings->age);
}

/* ---- of a stream ---- */

static void connected(struct scrape *x, const struct stream_status *s)
{
	put_with(x, "connection", "reader", s->reader_connected);
	put_with(x, "connection", "command", s->command_connected);
}

static void group_lag(struct scrape *x, const struct stream_status *s)
{
	put_figure(x, &s->figures.lag);
}

static void group_pending(struct scrape *x, const struct stream_status *s)
{
	put_figure(x, &s->figures.pending);
}

/* 0 where nothing is pending, and where the id is no time or the clock of its giver is ahead. */
static void group_oldest_pending(struct scrape *x, const struct stream_status *s)
{
	const struct figure *oldest = &s->figures.oldest;
	uint64_t now_ms = loop_wall_ms(x->view->loop);

	if (oldest->at_ms)
		put_ms(x, now_ms > oldest->value ? now_ms - oldest->value : 0);
	else if (s->figures.pending.at_ms && !s->figures.pending.value)
		put_ms(x, 0);
}

static void stream_length(struct scrape *x, const struct stream_status *s)
{
	put_figure(x, &s->figures.length);
}

static void dead_letter_length(struct scrape *x, const struct stream_status *s)
{
	put_figure(x, &s->figures.dead_letters);
}

/* ---- of the daemon ---- */

static void log_dropped(struct scrape *x)
{
	put(x, log_dropped_total());
}

static void loop_stall(struct scrape *x)
{
	put_ms(x, loop_take_longest_stall_ms(x->view->loop));
}

static void build_info(struct scrape *x)
{
	put_with(x, "version", SLUICED_VERSION, 1);
}

static void process_cpu(struct scrape *x)
{
	put_ms(x, x->process.cpu_ms);
}

static void process_resident(struct scrape *x)
{
	put(x, x->process.resident_bytes);
}

static void process_virtual(struct scrape *x)
{
	put(x, x->process.virtual_bytes);
}

static void process_open_fds(struct scrape *x)
{
	put(x, x->process.n_fds);
}

static void process_max_fds(struct scrape *x)
{
	put(x, x->process.max_fds);
}

static void process_start_time(struct scrape *x)
{
	put_ms(x, x->view->started_wall_ms);
}

/* ---- the table ---- */

#define COUNTER(name, help, ...)                                                                   \
	{                                                                                          \
		name, EXPOSITION_COUNTER, help, __VA_ARGS__                                        \
	}
#define GAUGE(name, help, ...)                                                                     \
	{                                                                                          \
		name, EXPOSITION_GAUGE, help, __VA_ARGS__                                          \
	}
#define HISTOGRAM(name, help, ...)                                                                 \
	{                                                                                          \
		name, EXPOSITION_HISTOGRAM, help, __VA_ARGS__                                      \
	}

/* clang-format off */
static const struct metric metrics[] = {
	COUNTER("sluiced_entries_read_total",
	    "Entries that came in: read as new, claimed from others, or found pending on our own name.",
	    .of_consumer = counters),
	COUNTER("sluiced_verdicts_total", "What runs of the handler came to.", .of_consumer = counters),
	COUNTER("sluiced_failures_total", "How runs failed.", .of_consumer = counters),
	COUNTER("sluiced_acked_total", "Entries acknowledged as done.", .of_consumer = counters),
	COUNTER("sluiced_ack_missing_total", "Acknowledgements of what was no longer pending.",
	    .of_consumer = counters),
	COUNTER("sluiced_once_skipped_total", "Entries acknowledged without a run: their guard key was set.",
	    .of_consumer = counters),
	COUNTER("sluiced_dead_lettered_total", "Records added to dead-letter streams.",
	    .of_consumer = counters),
	COUNTER("sluiced_leases_lost_total", "Held entries that turned out to be another's.",
	    .of_consumer = counters),
	COUNTER("sluiced_released_total", "Entries given back to the group.", .of_consumer = counters),
	COUNTER("sluiced_trimmed_total", "Entries whose data was gone while they were pending.",
	    .of_consumer = counters),
	COUNTER("sluiced_retention_removed_total", "Entries that trim has removed from streams.",
	    .of_consumer = counters),
	GAUGE("sluiced_held", "Entries that the daemon holds.", .of_consumer = held),
	GAUGE("sluiced_held_bytes", "Bytes of the payloads among them.", .of_consumer = held_bytes),
	GAUGE("sluiced_workers", "Handler processes by state; in exec mode all are up.",
	    .of_consumer = workers),
	GAUGE("sluiced_breaker_open", "1 while the handler is taken to be broken.",
	    .of_consumer = breaker_open),
	GAUGE("sluiced_paused", "1 while the consumer is paused.", .of_consumer = paused),
	GAUGE("sluiced_connected", "1 while the connection is up.", .of_stream = connected),
	GAUGE("sluiced_group_lag", "Entries not yet read by the group, where Redis knows.",
	    .of_stream = group_lag),
	GAUGE("sluiced_group_pending", "Entries delivered and not acknowledged, of all consumers of the group.",
	    .of_stream = group_pending),
	GAUGE("sluiced_group_oldest_pending_seconds", "Age of the lowest pending id, 0 without any.",
	    .of_stream = group_oldest_pending),
	GAUGE("sluiced_stream_length", "Entries in the stream.", .of_stream = stream_length),
	GAUGE("sluiced_dead_letter_length", "Records in the dead-letter stream of this stream.",
	    .of_stream = dead_letter_length),
	HISTOGRAM("sluiced_handler_seconds", "From the hand-over to the verdict.",
	    .of_consumer = handler_seconds),
	HISTOGRAM("sluiced_entry_age_seconds", "From the id's milliseconds to the verdict.",
	    .of_consumer = age_seconds),
	HISTOGRAM("sluiced_queue_seconds", "From the arrival of the payload to the hand-over.",
	    .of_consumer = queue_seconds),
	COUNTER("sluiced_redis_errors_total", "Error replies.", .of_consumer = redis_errors),
	COUNTER("sluiced_reconnects_total", "Connections lost: the consumer's readers and those it shares.",
	    .of_consumer = reconnects),
	COUNTER("sluiced_log_dropped_total", "Log messages that nobody took in time.",
	    .of_daemon = log_dropped),
	GAUGE("sluiced_loop_stall_seconds", "Longest time events had to wait since the last scrape.",
	    .of_daemon = loop_stall),
	GAUGE("sluiced_build_info", "Always 1.", .of_daemon = build_info),
	COUNTER("process_cpu_seconds_total", "User and system time, without handlers.",
	    .of_daemon = process_cpu),
	GAUGE("process_resident_memory_bytes", "Resident memory.", .of_daemon = process_resident),
	GAUGE("process_virtual_memory_bytes", "Virtual memory.", .of_daemon = process_virtual),
	GAUGE("process_open_fds", "Open file descriptors.", .of_daemon = process_open_fds),
	GAUGE("process_max_fds", "File descriptors that may be open.", .of_daemon = process_max_fds),
	GAUGE("process_start_time_seconds", "When the daemon started, since 1970.",
	    .of_daemon = process_start_time),
};
/* clang-format on */

/* ---- the page ---- */

static void write_streams(struct scrape *x, const struct consumer *c,
    const struct consumer_status *status)
{
	struct labels of_consumer = x->labels;

	for (size_t i = 0; i < status->n_streams; i++) {
		struct stream_status s;

		consumer_stream_status(c, i, &s);
		x->labels = with_label(&of_consumer, "stream", s.name);
		if (strncmp(x->metric->name, "sluiced_group_", strlen("sluiced_group_")) == 0)
			x->labels = with_label(&x->labels, "group", status->group);
		x->metric->of_stream(x, &s);
	}
}

static void write_consumers(struct scrape *x)
{
	for (size_t i = 0; i < x->n_consumers; i++) {
		const struct consumer_status *c = &x->consumers[i];

		x->labels = (struct labels){ { { "consumer", c->name } } };
		if (x->metric->of_consumer)
			x->metric->of_consumer(x, c);
		else
			write_streams(x, x->handles[i], c);
	}
}

static void write_family(struct scrape *x, const struct metric *m)
{
	x->metric = m;
	x->labels = (struct labels){ 0 };
	exposition_family(x->to, m->name, m->type, m->help);
	if (m->of_daemon)
		m->of_daemon(x);
	else
		write_consumers(x);
}

static void look_at_consumers(struct scrape *x)
{
	const struct roster *r = x->view->roster;
	size_t n = 0;

	for (const struct member *m = roster_next(r, NULL); m; m = roster_next(r, m))
		n++;
	x->consumers = xcalloc(n, sizeof(*x->consumers));
	x->handles = xcalloc(n, sizeof(const struct consumer *));
	for (const struct member *m = roster_next(r, NULL); m; m = roster_next(r, m)) {
		x->handles[x->n_consumers] = m->consumer;
		consumer_status(m->consumer, &x->consumers[x->n_consumers++]);
	}
}

void metrics_write(const struct view *v, struct buf *to)
{
	struct scrape x = { .view = v, .to = to };

	process_facts(&x.process);
	look_at_consumers(&x);
	for (size_t i = 0; i < ARRAY_LEN(metrics); i++)
		write_family(&x, &metrics[i]);
	free(x.consumers);
	free((void *)x.handles);
}
