/* SPDX-License-Identifier: MIT */
/* What INFO tells, and keys as patterns of a rule. */
#include "ctl/serverinfo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/rights.h"

static const char info[] = "# Memory\r\nmaxmemory:0\r\nmaxmemory_human:0B\r\nempty:\r\nlast:x";

static const struct {
	const char *name, *value;
} values[] = {
	{ "maxmemory", "0" },
	{ "maxmemory_human", "0B" },
	{ "empty", "" },
	{ "last", "x" },
	{ "max", "" },
	{ "emory", "" },
	{ "none", "" },
};

static void test_values(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		assert_true(slice_is(info_value(slice_of(info), values[i].name), values[i].value));
	assert_int_equal(info_value((struct slice){ "", 0 }, "last").len, 0);
}

static const struct {
	const char *info, *text;
	unsigned number;
} versions[] = {
	{ "redis_version:6.0.16\r\n", "Redis 6.0.16", 600 },
	{ "redis_version:6.2.0\r\n", "Redis 6.2.0", 602 },
	{ "redis_version:10.12.1\r\n", "Redis 10.12.1", 1012 },
	{ "redis_version:7.2.4\r\nvalkey_version:9.1.2\r\n", "Valkey 9.1.2", 702 },
	{ "redis_version:7.4\r\n", "Redis 7.4", 704 },
	{ "redis_version:7.\r\n", NULL, 0 },
	{ "redis_version:\r\n", NULL, 0 },
	{ "redis_version:seven\r\n", NULL, 0 },
	{ "", NULL, 0 },
};

static void test_versions(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		struct server_version v;
		int r = server_version_read(slice_of(versions[i].info), &v);

		assert_int_equal(r == 0, versions[i].text != NULL);
		if (r)
			continue;
		assert_string_equal(v.text, versions[i].text);
		assert_int_equal(v.number, versions[i].number);
	}
}

static void test_keys_of_a_rule(void **unused)
{
	struct buf rule = { 0 };

	(void)unused;
	rule_append_key(&rule, "orders");
	rule_append_key(&rule, "a*b?[c]\\");
	assert_true(slice_is(buf_slice(&rule), " ~orders ~a\\*b\\?\\[c\\]\\\\"));
	buf_done(&rule);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_keys_of_a_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
