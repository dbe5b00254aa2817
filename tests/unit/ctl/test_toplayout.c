/* SPDX-License-Identifier: MIT */
#include "ctl/toplayout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/text.h"

static void assert_written(struct buf *b, const char *expected)
{
	buf_append_char(b, '\0');
	assert_string_equal(buf_data(b), expected);
	buf_done(b);
}

static void test_counts(void **unused)
{
	static const struct {
		uint64_t n;
		const char *expected;
	} rows[] = {
		{ 0, "0" },
		{ 99999, "99999" },
		{ 100000, "100k" },
		{ 123456, "123k" },
		{ 999499, "999k" },
		{ 999500, "1.0M" },
		{ 45678901, "45.7M" },
		{ 99960000, "100M" },
		{ 3000000000, "3.0G" },
		{ UINT64_MAX, "18446744T" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = { 0 };

		top_count(&b, rows[i].n);
		assert_written(&b, rows[i].expected);
	}
}

static void test_durations(void **unused)
{
	static const struct {
		uint64_t ms;
		const char *expected;
	} rows[] = {
		{ 0, "0ms" },
		{ 999, "999ms" },
		{ 1000, "1.0s" },
		{ 9999, "9.9s" },
		{ 10000, "10s" },
		{ 59999, "59s" },
		{ 60000, "1m" },
		{ 3600000, "1h" },
		{ 47 * 3600000, "47h" },
		{ 48 * 3600000, "2d" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = { 0 };

		top_duration(&b, rows[i].ms);
		assert_written(&b, rows[i].expected);
	}
}

static void test_sparklines(void **unused)
{
	double values[TOP_RATES];
	struct buf b = { 0 };

	(void)unused;
	for (size_t i = 0; i < TOP_RATES; i++)
		values[i] = (double)i;
	top_sparkline(&b, values, TOP_RATES, 8, false);
	assert_written(&b, ".:-=+*%#");
	b = (struct buf){ 0 };
	top_sparkline(&b, values, TOP_RATES, 3, true);
	assert_written(&b, "▂▅█");
	/* What is not there yet is blank, and zeros are a line at the bottom. */
	b = (struct buf){ 0 };
	memset(values, 0, sizeof(values));
	top_sparkline(&b, values, 101, 6, false);
	assert_written(&b, "   ...");
	b = (struct buf){ 0 };
	top_sparkline(&b, values, 0, 4, false);
	assert_written(&b, "    ");
	b = (struct buf){ 0 };
	top_sparkline(&b, values, TOP_RATES, 0, false);
	assert_written(&b, "");
}

/* ---- pages */

static struct top_row *row_of(const char *name)
{
	struct top_row *row = calloc(1, sizeof(*row));

	row->name = strdup(name);
	row->group = strdup("g");
	row->consumer = strdup("me");
	row->state = strdup("running");
	row->breaker = strdup("closed");
	row->obstacle = strdup("");
	row->is_connected = true;
	row->lag = (struct figure_sum){ true, 389 };
	row->has_rate = row->has_handler = true;
	row->rate = 12.34;
	row->p50_ms = 20;
	row->p99_ms = 300001;
	row->longest_known_ms = 300000;
	row->n_running = 2;
	return row;
}

static void add_row(struct top_model *m, const char *name)
{
	m->rows = realloc(m->rows, (m->n_rows + 1) * sizeof(*m->rows));
	m->rows[m->n_rows++] = row_of(name);
}

static void assert_page(const struct page *p)
{
	assert_int_equal(p->len, p->n_rows);
	for (size_t i = 0; i < p->len; i++)
		assert_true(text_characters(slice_of(p->lines[i].text)) <= p->n_columns);
}

static void test_list_in_80_columns(void **unused)
{
	struct page page = { .n_rows = 8, .n_columns = 80 };
	struct top_look look = { 0 };
	struct top_model m;

	(void)unused;
	top_model_init(&m);
	add_row(&m, "mailer");
	add_row(&m, "a-name-that-is-too-long");
	m.chosen = strdup("a-name-that-is-too-long");
	top_layout_list(&m, &look, &page);
	assert_page(&page);
	assert_string_equal(page.lines[1].text,
	    "2 consumers, 24.7/s, lag 778, pending -, held 0, running 4");
	assert_string_equal(page.lines[2].text,
	    "CONSUMER RATE/s   LAG  PEND  RUN  FAIL   P50   P99 BREAKER STATE    5 MINUTES");
	assert_string_equal(page.lines[3].text,
	    "mailer     12.3   389     -    2     0  20ms   >5m closed  ok                   ");
	assert_memory_equal(page.lines[4].text, "a-name-~ ", 9);
	assert_false(page.lines[3].is_chosen);
	assert_true(page.lines[4].is_chosen);
	page_done(&page);
	top_model_done(&m);
}

static void test_every_size(void **unused)
{
	struct top_look look = { .away = "away", .message = NULL };
	struct top_model m;

	(void)unused;
	top_model_init(&m);
	for (char name[] = "a"; *name <= 'm'; (*name)++)
		add_row(&m, name);
	m.chosen = strdup("m");
	for (size_t n_columns = 1; n_columns < 200; n_columns += 7) {
		for (size_t n_rows = 1; n_rows < 40; n_rows += 3) {
			struct page list = { .n_rows = n_rows, .n_columns = n_columns }, one = list,
			            help = list;

			top_layout_list(&m, &look, &list);
			assert_page(&list);
			top_layout_consumer(m.rows[0], &look, &one);
			assert_page(&one);
			top_layout_help(&help);
			assert_page(&help);
			page_done(&list);
			page_done(&one);
			page_done(&help);
		}
	}
	top_model_done(&m);
}

static void test_the_chosen_one_is_seen(void **unused)
{
	static const char *const chosen[] = { "a", "e", "m", "l", "b", "a" };
	struct top_look look = { 0 };
	struct top_model m;

	(void)unused;
	top_model_init(&m);
	for (char name[] = "a"; *name <= 'm'; (*name)++)
		add_row(&m, name);
	for (size_t i = 0; i < ARRAY_LEN(chosen); i++) {
		struct page page = { .n_rows = 8, .n_columns = 80 };
		size_t n_seen = 0;

		free(m.chosen);
		m.chosen = strdup(chosen[i]);
		top_layout_list(&m, &look, &page);
		for (size_t k = 0; k < page.len; k++)
			n_seen += page.lines[k].is_chosen && *page.lines[k].text == *chosen[i];
		assert_int_equal(n_seen, 1);
		page_done(&page);
	}
	top_model_done(&m);
}

static void test_styles(void **unused)
{
	struct page page = { .n_rows = 12, .n_columns = 80 };
	struct top_look look = { .message = "said" };
	struct top_model m;

	(void)unused;
	top_model_init(&m);
	add_row(&m, "open");
	add_row(&m, "paused");
	add_row(&m, "gone");
	strcpy(m.rows[0]->breaker, "open");
	strcpy(m.rows[1]->state, "paused");
	m.rows[2]->is_connected = false;
	top_layout_list(&m, &look, &page);
	assert_int_equal(page.lines[3].style, STYLE_BAD);
	assert_int_equal(page.lines[4].style, STYLE_WARN);
	assert_int_equal(page.lines[5].style, STYLE_BAD);
	assert_non_null(strstr(page.lines[5].text, " no conn"));
	assert_string_equal(page.lines[11].text, "said");
	page_done(&page);
	top_model_done(&m);
}

static void test_entries(void **unused)
{
	struct page page = { .n_rows = 20, .n_columns = 80 };
	struct top_row *row = row_of("c");
	struct top_look look = { .first = 1000 };
	json_t *rows = json_array();
	struct top_model m = { .rows = malloc(sizeof(struct top_row *)), .n_rows = 1 };

	(void)unused;
	m.rows[0] = row;
	row->detail = json_loads("{\"streams\":[{\"stream\":\"orders\",\"lag\":5}]}", 0, NULL);
	for (int i = 0; i < 50; i++)
		json_array_append_new(rows,
		    json_pack("{s:s, s:s, s:i, s:i}", "id", i == 49 ? "9-0" : "1-0", "consumer",
		        "me", "idle_ms", 1500, "deliveries", 3));
	look.pending = rows;
	top_layout_consumer(row, &look, &page);
	assert_page(&page);
	assert_string_equal(page.lines[18].text,
	    "9-0                         -   1.5s     3  me                      ");
	assert_true(look.first < 50);
	page_done(&page);
	json_decref(rows);
	top_model_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sparklines),
		cmocka_unit_test(test_list_in_80_columns),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_the_chosen_one_is_seen),
		cmocka_unit_test(test_styles),
		cmocka_unit_test(test_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
