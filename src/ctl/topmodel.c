/* SPDX-License-Identifier: MIT */
#include "ctl/topmodel.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "ctl/jsonget.h"
#include "ctl/output.h"

void top_model_init(struct top_model *m)
{
	*m = (struct top_model){ .sort = TOP_BY_NAME };
}

static void row_free(struct top_row *row)
{
	free(row->name);
	free(row->group);
	free(row->consumer);
	free(row->state);
	free(row->breaker);
	free(row->obstacle);
	json_decref(row->detail);
	free(row);
}

void top_model_done(struct top_model *m)
{
	for (size_t i = 0; i < m->n_rows; i++)
		row_free(m->rows[i]);
	free(m->rows);
	free(m->chosen);
	free(m->head);
}

/* ---- quantiles ---- */

bool top_quantile_ms(const uint64_t counts[HISTOGRAM_BOUNDS + 1],
    const uint64_t bounds_ms[HISTOGRAM_BOUNDS], double q, uint64_t *ret_ms)
{
	uint64_t total = 0;
	double wanted, below = 0;
	unsigned i = 0;

	for (unsigned k = 0; k <= HISTOGRAM_BOUNDS; k++)
		total += counts[k];
	if (!total)
		return false;
	wanted = q * (double)total;
	while (i < HISTOGRAM_BOUNDS && below + (double)counts[i] < wanted)
		below += (double)counts[i++];
	if (i == HISTOGRAM_BOUNDS) {
		*ret_ms = bounds_ms[HISTOGRAM_BOUNDS - 1] + 1;
		return true;
	}
	double from = i ? (double)bounds_ms[i - 1] : 0, width = (double)bounds_ms[i] - from;
	double share = counts[i] ? (wanted - below) / (double)counts[i] : 1;

	*ret_ms = (uint64_t)(from + width * share + 0.5);
	return true;
}

/* ---- what changes ---- */

static void forget(struct top_row *row)
{
	row->n_totals = row->n_snapshots = 0;
	row->has_rate = row->has_handler = false;
	row->n_failures = 0;
}

/* Makes room at the end of a list of at most max. */
static size_t shift(void *items, size_t size, size_t n, size_t max)
{
	if (n < max)
		return n;
	memmove(items, (char *)items + size, (max - 1) * size);
	return max - 1;
}

static void take_total(struct top_row *row, uint64_t n_acked, uint64_t now_ms)
{
	const struct top_total *first = row->totals;

	row->n_totals = shift(row->totals, sizeof(*first), row->n_totals, TOP_TOTALS);
	row->totals[row->n_totals++] = (struct top_total){ now_ms, n_acked };
	row->has_rate = now_ms > first->at_ms;
	if (row->has_rate)
		row->rate =
		    (double)(n_acked - first->n_acked) * 1000 / (double)(now_ms - first->at_ms);
}

/* The sparkline is of what came between two looks. */
static void take_rate(struct top_row *row)
{
	const struct top_total *now = &row->totals[row->n_totals - 1], *before = now - 1;

	if (row->n_totals < 2 || now->at_ms <= before->at_ms)
		return;
	row->n_rates = shift(row->rates, sizeof(row->rates[0]), row->n_rates, TOP_RATES);
	row->rates[row->n_rates++] =
	    (double)(now->n_acked - before->n_acked) * 1000 / (double)(now->at_ms - before->at_ms);
}

static uint64_t sum_of(const json_t *counters, const char *prefix)
{
	json_t *object = json_object_get(counters, "counters");
	uint64_t sum = 0;

	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
		if (strncmp(json_object_iter_key(i), prefix, strlen(prefix)) == 0)
			sum += get_count(object, json_object_iter_key(i));
	}
	return sum;
}

static void read_numbers(const json_t *array, uint64_t numbers[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		numbers[i] = (uint64_t)json_integer_value(json_array_get(array, i));
}

static void take_last_minute(struct top_row *row, const struct top_snapshot *now,
    const json_t *timing)
{
	const struct top_snapshot *then = row->snapshots;
	uint64_t counts[HISTOGRAM_BOUNDS + 1], bounds_ms[HISTOGRAM_BOUNDS];

	read_numbers(json_object_get(timing, "le_ms"), bounds_ms, HISTOGRAM_BOUNDS);
	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
		counts[i] = now->counts[i] - then->counts[i];
	row->n_failures = now->n_failures - then->n_failures;
	row->longest_known_ms = bounds_ms[HISTOGRAM_BOUNDS - 1];
	row->has_handler = top_quantile_ms(counts, bounds_ms, 0.5, &row->p50_ms) &&
	                   top_quantile_ms(counts, bounds_ms, 0.99, &row->p99_ms);
}

static void take_snapshot(struct top_row *row, const json_t *consumer, uint64_t now_ms)
{
	const json_t *timing = json_object_get(json_object_get(consumer, "timings"), "handler");
	struct top_snapshot now = { .at_ms = now_ms, .n_failures = sum_of(consumer, "failure_") };
	size_t n = row->n_snapshots;

	read_numbers(json_object_get(timing, "counts"), now.counts, HISTOGRAM_BOUNDS + 1);
	if (!n || now_ms - row->snapshots[n - 1].at_ms >= TOP_SNAPSHOT_MS) {
		n = shift(row->snapshots, sizeof(now), n, TOP_SNAPSHOTS);
		row->snapshots[n] = now;
		row->n_snapshots = n + 1;
	}
	take_last_minute(row, &now, timing);
}

/* A consumer that a reload has replaced counts anew. */
static bool counts_anew(const struct top_row *row, const json_t *consumer, uint64_t n_acked)
{
	const struct top_snapshot *last;
	const json_t *timing = json_object_get(json_object_get(consumer, "timings"), "handler");
	uint64_t counts[HISTOGRAM_BOUNDS + 1];

	if (row->n_totals && n_acked < row->totals[row->n_totals - 1].n_acked)
		return true;
	if (!row->n_snapshots)
		return false;
	last = &row->snapshots[row->n_snapshots - 1];
	read_numbers(json_object_get(timing, "counts"), counts, HISTOGRAM_BOUNDS + 1);
	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		if (counts[i] < last->counts[i])
			return true;
	}
	return sum_of(consumer, "failure_") < last->n_failures;
}

/* ---- a status ---- */

static struct top_row *row_named(struct top_model *m, const char *name)
{
	struct top_row *row;

	for (size_t i = 0; i < m->n_rows; i++) {
		if (!m->rows[i]->is_seen && strcmp(m->rows[i]->name, name) == 0)
			return m->rows[i];
	}
	if (m->n_rows == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 16;
		m->rows = xreallocarray(m->rows, m->cap, sizeof(*m->rows));
	}
	row = m->rows[m->n_rows++] = xcalloc(1, sizeof(*row));
	row->name = xstrdup(name);
	return row;
}

static void set_text(char **text, const char *value)
{
	free(*text);
	*text = xstrdup(value);
}

static void take_words(struct top_row *row, const json_t *consumer)
{
	const json_t *obstacle = json_array_get(json_object_get(consumer, "obstacles"), 0);
	const char *text = json_string_value(obstacle);

	set_text(&row->group, get_text(consumer, "group"));
	set_text(&row->consumer, get_text(consumer, "consumer"));
	set_text(&row->state, get_text(consumer, "state"));
	set_text(&row->breaker, get_text(json_object_get(consumer, "breaker"), "state"));
	set_text(&row->obstacle, text ? text : "");
	row->is_connected = get_bool(consumer, "connected");
}

static void take_consumer(struct top_model *m, json_t *consumer, uint64_t now_ms)
{
	struct top_row *row = row_named(m, get_text(consumer, "name"));
	const json_t *held = json_object_get(consumer, "held");
	uint64_t n_acked = get_count(json_object_get(consumer, "counters"), "acked");

	row->is_seen = true;
	take_words(row, consumer);
	row->lag = figure_sum_of(consumer, "lag");
	row->pending = figure_sum_of(consumer, "pending");
	row->n_running = get_count(held, "running");
	row->n_held = get_count(held, "total");
	json_decref(row->detail);
	row->detail = json_incref(consumer);
	if (counts_anew(row, consumer, n_acked))
		forget(row);
	take_total(row, n_acked, now_ms);
	take_rate(row);
	take_snapshot(row, consumer, now_ms);
}

static void drop_unseen(struct top_model *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_rows; i++) {
		if (m->rows[i]->is_seen)
			m->rows[n++] = m->rows[i];
		else
			row_free(m->rows[i]);
	}
	m->n_rows = n;
}

static void take_head(struct top_model *m, const json_t *status)
{
	struct buf text = { 0 };

	buf_printf(&text, "sluiced %s, instance %s on %s: %s for ", get_text(status, "version"),
	    get_text(status, "instance"), get_text(status, "hostname"), get_text(status, "state"));
	human_duration(&text, get_count(status, "uptime_ms"));
	free(m->head);
	m->head = buf_take_text(&text);
}

/* Another daemon, or the same one started again, counts from 0. */
static void forget_if_started_anew(struct top_model *m, const json_t *status)
{
	uint64_t started_ms = get_count(status, "started_ms");

	for (size_t i = 0; i < m->n_rows && started_ms != m->started_ms; i++)
		forget(m->rows[i]);
	m->started_ms = started_ms;
}

static void choose(struct top_model *m, size_t i)
{
	char *name = i < m->n_rows ? xstrdup(m->rows[i]->name) : NULL;

	free(m->chosen);
	m->chosen = name;
}

void top_model_take(struct top_model *m, const json_t *status, uint64_t now_ms)
{
	size_t was_chosen = top_model_chosen(m), i;
	json_t *consumer;

	take_head(m, status);
	forget_if_started_anew(m, status);
	for (i = 0; i < m->n_rows; i++)
		m->rows[i]->is_seen = false;
	json_array_foreach(json_object_get(status, "consumers"), i, consumer)
	{
		take_consumer(m, consumer, now_ms);
	}
	drop_unseen(m);
	top_model_sort(m, m->sort);
	if (top_model_chosen(m) == m->n_rows && m->n_rows)
		choose(m, was_chosen < m->n_rows ? was_chosen : 0);
}

/* ---- order ---- */

static double weight(const struct top_row *row, enum top_sort sort)
{
	switch (sort) {
	case TOP_BY_NAME:
		break;
	case TOP_BY_RATE:
		return row->has_rate ? row->rate : -1;
	case TOP_BY_LAG:
		return row->lag.is_known ? (double)row->lag.value : -1;
	case TOP_BY_PENDING:
		return row->pending.is_known ? (double)row->pending.value : -1;
	case TOP_BY_FAILURES:
		return (double)row->n_failures;
	case TOP_BY_P99:
		return row->has_handler ? (double)row->p99_ms : -1;
	}
	return 0;
}

/* The largest first; what is equal by name. */
static int compare(const void *a, const void *b, void *context)
{
	const struct top_row *x = *(struct top_row *const *)a, *y = *(struct top_row *const *)b;
	enum top_sort sort = *(enum top_sort *)context;
	double difference = weight(y, sort) - weight(x, sort);

	if (difference > 0)
		return 1;
	return difference < 0 ? -1 : strcmp(x->name, y->name);
}

void top_model_sort(struct top_model *m, enum top_sort sort)
{
	m->sort = sort;
	if (m->n_rows)
		qsort_r(m->rows, m->n_rows, sizeof(struct top_row *), compare, &sort);
}

const char *top_sort_word(enum top_sort sort)
{
	static const char *const words[] = { "name", "rate", "lag", "pending", "failures", "p99" };

	return words[sort];
}

/* ---- the choice ---- */

size_t top_model_chosen(const struct top_model *m)
{
	size_t i = 0;

	while (i < m->n_rows && (!m->chosen || strcmp(m->rows[i]->name, m->chosen) != 0))
		i++;
	return i;
}

void top_model_move(struct top_model *m, int by)
{
	long i = (long)top_model_chosen(m) + by;

	if (!m->n_rows)
		return;
	choose(m, (size_t)(i < 0 ? 0 : i >= (long)m->n_rows ? (long)m->n_rows - 1 : i));
}
