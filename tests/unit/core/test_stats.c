/* SPDX-License-Identifier: MIT */
#include "core/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

/* What operators' dashboards are built on. */
static const char *const expected[] = {
	"sluiced_entries_read_total{source=\"new\"}",
	"sluiced_entries_read_total{source=\"claimed\"}",
	"sluiced_entries_read_total{source=\"recovered\"}",
	"sluiced_verdicts_total{verdict=\"ok\"}",
	"sluiced_verdicts_total{verdict=\"retry\"}",
	"sluiced_verdicts_total{verdict=\"dead\"}",
	"sluiced_verdicts_total{verdict=\"drop\"}",
	"sluiced_failures_total{failure=\"exit\"}",
	"sluiced_failures_total{failure=\"signal\"}",
	"sluiced_failures_total{failure=\"timeout\"}",
	"sluiced_failures_total{failure=\"retry\"}",
	"sluiced_failures_total{failure=\"broken\"}",
	"sluiced_acked_total{}",
	"sluiced_ack_missing_total{}",
	"sluiced_once_skipped_total{}",
	"sluiced_dead_lettered_total{reason=\"rejected\"}",
	"sluiced_dead_lettered_total{reason=\"attempts\"}",
	"sluiced_dead_lettered_total{reason=\"trimmed\"}",
	"sluiced_dead_lettered_total{reason=\"oversize\"}",
	"sluiced_leases_lost_total{}",
	"sluiced_released_total{}",
	"sluiced_trimmed_total{}",
	"sluiced_retention_removed_total{}",
	"sluiced_reconnects_total{}",
};

struct visits {
	size_t n;
};

static void on_row(void *context, const struct stats_row *row)
{
	struct visits *v = context;
	char name[100];

	assert_true(v->n < ARRAY_LEN(expected));
	if (*row->label)
		snprintf(name, sizeof(name), "%s{%s=\"%s\"}", row->metric, row->label,
		    row->label_value);
	else
		snprintf(name, sizeof(name), "%s{}", row->metric);
	assert_string_equal(name, expected[v->n]);
	assert_true(strlen(row->text) > 0);
	assert_int_equal(row->value, 100 + v->n);
	v->n++;
}

static void test_rows(void **unused)
{
	struct stats s;
	uint64_t values[sizeof(s) / sizeof(uint64_t)];
	struct visits v = { 0 };

	(void)unused;
	assert_int_equal(ARRAY_LEN(values), ARRAY_LEN(expected));
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		values[i] = 100 + i;
	memcpy(&s, values, sizeof(s));
	stats_each(&s, on_row, &v);
	assert_int_equal(v.n, ARRAY_LEN(expected));
}

static void on_named_row(void *context, const struct stats_row *row)
{
	if (strcmp(row->name, "acked") == 0)
		*(uint64_t *)context = row->value;
}

static void test_name_belongs_to_value(void **unused)
{
	struct stats s = { .acked = 41, .ack_missing = 42, .dead_oversize = 43 };
	uint64_t acked = 0;

	(void)unused;
	stats_each(&s, on_named_row, &acked);
	assert_int_equal(acked, 41);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_name_belongs_to_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
