/* SPDX-License-Identifier: MIT */
#include "core/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

/* What operators' dashboards are built on. */
static const char *const expected[] = {
	"entries_read_total{source=\"new\"}",
	"entries_read_total{source=\"claimed\"}",
	"entries_read_total{source=\"recovered\"}",
	"verdicts_total{verdict=\"ok\"}",
	"verdicts_total{verdict=\"retry\"}",
	"verdicts_total{verdict=\"dead\"}",
	"verdicts_total{verdict=\"drop\"}",
	"failures_total{failure=\"exit\"}",
	"failures_total{failure=\"signal\"}",
	"failures_total{failure=\"timeout\"}",
	"failures_total{failure=\"retry\"}",
	"failures_total{failure=\"broken\"}",
	"acked_total{}",
	"ack_missing_total{}",
	"dead_lettered_total{reason=\"rejected\"}",
	"dead_lettered_total{reason=\"attempts\"}",
	"dead_lettered_total{reason=\"trimmed\"}",
	"dead_lettered_total{reason=\"oversize\"}",
	"leases_lost_total{}",
	"released_total{}",
	"trimmed_total{}",
	"redis_errors_total{}",
	"reconnects_total{}",
};

struct visits {
	size_t n;
};

static void on_row(void *context, const struct stats_row *row)
{
	struct visits *v = context;
	const char *name = expected[v->n], *brace = strchr(name, '{');

	assert_true(v->n < ARRAY_LEN(expected));
	assert_int_equal(strlen(row->metric), brace - name);
	assert_memory_equal(row->metric, name, strlen(row->metric));
	assert_int_equal(strlen(row->label), strlen(brace) - 2);
	assert_memory_equal(row->label, brace + 1, strlen(row->label));
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
