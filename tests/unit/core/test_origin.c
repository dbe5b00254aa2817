/* SPDX-License-Identifier: MIT */
#include "core/origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *stream, *group, *consumer, *json;
} cases[] = {
	{ "orders", "g", "web1.default.mailer",
	    "\"stream\":\"orders\",\"group\":\"g\",\"consumer\":\"web1.default.mailer\",\"id\":"
	    "\"" },
	{ "a\"b\\", "\n", "",
	    "\"stream\":\"a\\\"b\\\\\",\"group\":\"\\n\",\"consumer\":\"\",\"id\":\"" },
	{ "\xc3\xa9", "x\xff", "c",
	    "\"stream\":\"\xc3\xa9\",\"group\":\"x\xef\xbf\xbd\",\"consumer\":\"c\",\"id\":\"" },
};

static void test_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len;
		char *json =
		    origin_json_new(cases[i].stream, cases[i].group, cases[i].consumer, &len);

		assert_string_equal(json, cases[i].json);
		assert_int_equal(len, strlen(json));
		free(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_json) };

	return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
