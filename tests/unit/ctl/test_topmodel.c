/* SPDX-License-Identifier: MIT */
#include "ctl/topmodel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/compiler.h"

/* What a test says of a consumer. */
struct told {
	const char *name;
	unsigned acked, failed, runs; /* runs: of 100 to 200 ms */
	int lag;                      /* -1: null */
};

static void append_histogram(struct buf *to, unsigned runs)
{
	buf_append_text(to, "\"timings\":{\"handler\":{\"le_ms\":[");
	for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++)
		buf_printf(to, "%s%u", i ? "," : "", (unsigned)histogram_durations_ms[i]);
	buf_append_text(to, "],\"counts\":[");
	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
		buf_printf(to, "%s%u", i ? "," : "", i == 7 ? runs : 0);
	buf_append_text(to, "]}},");
}

static void append_consumer(struct buf *to, const struct told *c)
{
	buf_printf(to,
	    "{\"name\":\"%s\",\"state\":\"running\",\"connected\":true,\"breaker\":{\"state\":"
	    "\"closed\"},\"obstacles\":[],\"held\":{\"running\":1,\"total\":2},",
	    c->name);
	append_histogram(to, c->runs);
	buf_printf(to, "\"counters\":{\"acked\":%u,\"failure_exit\":%u,\"failure_signal\":1},",
	    c->acked, c->failed);
	buf_append_text(to, "\"streams\":[{\"stream\":\"s\",\"pending\":3,\"lag\":");
	if (c->lag < 0)
		buf_append_text(to, "null}]}");
	else
		buf_printf(to, "%d}]}", c->lag);
}

static void take(struct top_model *m, uint64_t now_ms, unsigned started_ms, const struct told *told)
{
	struct buf text = { 0 };
	json_t *status;

	buf_printf(&text, "{\"started_ms\":%u,\"consumers\":[", started_ms);
	for (const struct told *c = told; c->name; c++) {
		append_consumer(&text, c);
		buf_append_text(&text, c[1].name ? "," : "");
	}
	buf_append_text(&text, "]}");
	status = json_loadb(buf_data(&text), buf_len(&text), 0, NULL);
	assert_non_null(status);
	top_model_take(m, status, now_ms);
	json_decref(status);
	buf_done(&text);
}

static void take_one(struct top_model *m, uint64_t now_ms, struct told c)
{
	take(m, now_ms, 1, (const struct told[]){ c, { 0 } });
}

static int setup(void **state)
{
	struct top_model *m = xcalloc(1, sizeof(*m));

	top_model_init(m);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	top_model_done(*state);
	free(*state);
	return 0;
}

static void test_rates(void **state)
{
	struct top_model *m = *state;

	take_one(m, 1000, (struct told){ "c", .acked = 100, .lag = 7 });
	assert_false(m->rows[0]->has_rate);
	assert_int_equal(m->rows[0]->n_rates, 0);
	take_one(m, 2000, (struct told){ "c", .acked = 110 });
	assert_true(m->rows[0]->has_rate);
	assert_int_equal((int)m->rows[0]->rate, 10);
	for (unsigned i = 1; i <= 5; i++)
		take_one(m, 2000 + 1000 * i, (struct told){ "c", .acked = 110 + 20 * i });
	/* Of the last five seconds, while the sparkline has each second. */
	assert_int_equal((int)m->rows[0]->rate, 20);
	assert_int_equal(m->rows[0]->n_rates, 6);
	assert_int_equal((int)m->rows[0]->rates[0], 10);
	assert_int_equal((int)m->rows[0]->rates[5], 20);
}

static void test_old_rates_go(void **state)
{
	struct top_model *m = *state;

	for (unsigned i = 0; i < TOP_RATES + 10; i++)
		take_one(m, 1000 * i, (struct told){ "c", .acked = i * i });
	assert_int_equal(m->rows[0]->n_rates, TOP_RATES);
	assert_int_equal((int)m->rows[0]->rates[TOP_RATES - 1], 2 * (TOP_RATES + 9) - 1);
}

static void test_last_minute(void **state)
{
	struct top_model *m = *state;

	take_one(m, 0, (struct told){ "c", .failed = 5, .runs = 1000 });
	assert_false(m->rows[0]->has_handler);
	assert_int_equal(m->rows[0]->n_failures, 0);
	take_one(m, 1000, (struct told){ "c", .failed = 8, .runs = 1100 });
	assert_int_equal(m->rows[0]->n_failures, 3);
	assert_true(m->rows[0]->has_handler);
	assert_int_equal(m->rows[0]->p50_ms, 150);
	assert_int_equal(m->rows[0]->p99_ms, 199);
	for (unsigned s = 5; s <= 120; s += 5)
		take_one(m, s * 1000, (struct told){ "c", .failed = 8, .runs = 1100 });
	assert_int_equal(m->rows[0]->n_failures, 0);
	assert_false(m->rows[0]->has_handler);
}

static void test_counting_anew(void **state)
{
	static const struct {
		struct told before, after;
		unsigned started_ms;
	} rows[] = {
		{ { "c", .acked = 50 }, { "c", .acked = 3 }, 1 },
		{ { "c", .failed = 50 }, { "c", .failed = 3 }, 1 },
		{ { "c", .runs = 50 }, { "c", .runs = 3 }, 1 },
		{ { "c", .acked = 50 }, { "c", .acked = 70 }, 2 },
	};
	struct top_model *m = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		take_one(m, 100000 * i + 1000, rows[i].before);
		take(m, 100000 * i + 2000, rows[i].started_ms,
		    (const struct told[]){ rows[i].after, { 0 } });
		assert_false(m->rows[0]->has_rate);
		assert_int_equal(m->rows[0]->n_failures, 0);
		take(m, 100000 * i + 2500, 99, (const struct told[]){ { 0 } });
		assert_int_equal(m->n_rows, 0);
	}
}

static void test_sorting(void **state)
{
	static const struct {
		enum top_sort sort;
		const char *expected;
	} rows[] = {
		{ TOP_BY_NAME, "abc" },
		{ TOP_BY_RATE, "bca" },
		{ TOP_BY_LAG, "cba" },
		{ TOP_BY_FAILURES, "cab" },
		{ TOP_BY_PENDING, "abc" },
		{ TOP_BY_P99, "bac" },
	};
	struct top_model *m = *state;

	take(m, 0, 1,
	    (const struct told[]){ { .name = "c" }, { .name = "a" }, { .name = "b" }, { 0 } });
	take(m, 1000, 1,
	    (const struct told[]){ { "c", .acked = 5, .failed = 2, .lag = 9 }, { "a", .lag = -1 },
	        { "b", .acked = 9, .runs = 1, .lag = 0 }, { 0 } });
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		top_model_sort(m, rows[i].sort);
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(m->rows[k]->name[0], rows[i].expected[k]);
		assert_non_null(top_sort_word(rows[i].sort));
	}
}

static void test_choosing(void **state)
{
	struct top_model *m = *state;

	top_model_move(m, 1);
	assert_int_equal(top_model_chosen(m), 0);
	take(m, 0, 1,
	    (const struct told[]){ { .name = "a" }, { .name = "b" }, { .name = "c" }, { 0 } });
	assert_string_equal(m->chosen, "a");
	top_model_move(m, 1);
	assert_string_equal(m->chosen, "b");
	/* It stays the same one, wherever it goes. */
	take(m, 1000, 1,
	    (const struct told[]){ { .name = "a" }, { .name = "a2" }, { .name = "b" },
	        { .name = "c" }, { 0 } });
	assert_int_equal(top_model_chosen(m), 2);
	take(m, 2000, 1,
	    (const struct told[]){ { .name = "a" }, { .name = "a2" }, { .name = "c" }, { 0 } });
	assert_string_equal(m->chosen, "c");
	top_model_move(m, 100);
	assert_string_equal(m->chosen, "c");
	top_model_move(m, -100);
	assert_string_equal(m->chosen, "a");
	take(m, 3000, 1, (const struct told[]){ { 0 } });
	assert_int_equal(top_model_chosen(m), 0);
}

static void test_two_of_one_name(void **state)
{
	struct top_model *m = *state;

	/* A reload has replaced a consumer, and the old one is leaving. */
	take(m, 0, 1, (const struct told[]){ { "c", .acked = 9 }, { .name = "c" }, { 0 } });
	take(m, 1000, 1, (const struct told[]){ { "c", .acked = 9 }, { "c", .acked = 1 }, { 0 } });
	assert_int_equal(m->n_rows, 2);
	take_one(m, 2000, (struct told){ "c", .acked = 2 });
	assert_int_equal(m->n_rows, 1);
}

static void test_quantiles(void **unused)
{
	static const struct {
		unsigned at, n, more_at, more;
		double q;
		uint64_t expected;
	} rows[] = {
		{ 0, 10, 0, 0, 0.5, 1 },      /* in the first bucket, up to 1 ms */
		{ 7, 100, 0, 0, 0.5, 150 },   /* from 100 to 200 ms */
		{ 7, 100, 0, 0, 1, 200 },     /* the upper bound */
		{ 7, 50, 9, 50, 0.5, 200 },   /* just the lower half */
		{ 7, 50, 9, 50, 0.75, 750 },  /* from 500 ms to 1 s */
		{ 16, 1, 0, 0, 0.5, 300001 }, /* above all bounds */
		{ 7, 99, 16, 1, 0.99, 200 },
		{ 7, 98, 16, 2, 0.99, 300001 },
	};
	uint64_t ms;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t counts[HISTOGRAM_BOUNDS + 1] = { 0 };

		counts[rows[i].at] += rows[i].n;
		counts[rows[i].more_at] += rows[i].more;
		assert_true(top_quantile_ms(counts, histogram_durations_ms, rows[i].q, &ms));
		assert_int_equal(ms, rows[i].expected);
	}
	assert_false(top_quantile_ms((uint64_t[HISTOGRAM_BOUNDS + 1]){ 0 }, histogram_durations_ms,
	    0.5, &ms));
}

static void test_what_is_no_status(void **state)
{
	static const char *const texts[] = { "[]", "{}", "{\"consumers\":3}",
		"{\"consumers\":[3,null,{}]}",
		"{\"consumers\":[{\"name\":\"c\",\"counters\":[],\"timings\":{\"handler\":{"
		"\"counts\":"
		"[\"x\",-1]}},\"streams\":[1,{\"lag\":-3}],\"obstacles\":[7]}]}" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		json_t *status = json_loads(texts[i], 0, NULL);

		assert_non_null(status);
		top_model_take(*state, status, 1000 * i);
		top_model_take(*state, status, 1000 * i + 500);
		json_decref(status);
	}
}

#define WITH_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MODEL(test_rates),
		WITH_MODEL(test_old_rates_go),
		WITH_MODEL(test_last_minute),
		WITH_MODEL(test_counting_anew),
		WITH_MODEL(test_sorting),
		WITH_MODEL(test_choosing),
		WITH_MODEL(test_two_of_one_name),
		WITH_MODEL(test_what_is_no_status),
		cmocka_unit_test(test_quantiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
