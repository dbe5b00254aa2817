/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/diag.h"

static char *printed(const struct diag *d)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	diag_print(d, to);
	fclose(to);
	return text;
}

static void test_nothing(void **state)
{
	struct diag d;
	char *text;

	(void)state;
	diag_init(&d, "x.yaml");
	diag_sort(&d);
	text = printed(&d);
	assert_string_equal(text, "");
	assert_int_equal(d.n_messages, 0);
	free(text);
	diag_done(&d);
}

static void test_form(void **state)
{
	struct diag d;
	char *text;

	(void)state;
	diag_init(&d, "x.yaml");
	diag_error(&d, (struct diag_place){ 14, 18 }, "a.b: expected %d, got \"%s\"", 5, "six");
	diag_warning(&d, (struct diag_place){ 0 }, "too few descriptors");
	assert_int_equal(d.n_messages, 2);
	assert_int_equal(d.n_errors, 1);
	text = diag_format(&d, &d.messages[0]);
	assert_string_equal(text, "x.yaml:14:18: a.b: expected 5, got \"six\"");
	free(text);
	text = diag_format(&d, &d.messages[1]);
	assert_string_equal(text, "x.yaml: too few descriptors");
	free(text);
	text = printed(&d);
	assert_string_equal(text, "x.yaml:14:18: a.b: expected 5, got \"six\"\n"
	                          "x.yaml: warning: too few descriptors\n");
	free(text);
	diag_done(&d);
}

static void test_order(void **state)
{
	struct diag d;
	char *text;

	(void)state;
	diag_init(&d, "f");
	for (unsigned i = 0; i < 20; i++)
		diag_error(&d, (struct diag_place){ 3, 1 }, "same %u", i);
	diag_error(&d, (struct diag_place){ 2, 9 }, "second");
	diag_error(&d, (struct diag_place){ 2, 8 }, "first");
	diag_warning(&d, (struct diag_place){ 0 }, "nowhere");
	diag_error(&d, (struct diag_place){ 10, 1 }, "last");
	diag_sort(&d);
	text = printed(&d);
	assert_string_equal(text,
	    "f: warning: nowhere\nf:2:8: first\nf:2:9: second\n"
	    "f:3:1: same 0\nf:3:1: same 1\nf:3:1: same 2\nf:3:1: same 3\nf:3:1: same 4\n"
	    "f:3:1: same 5\nf:3:1: same 6\nf:3:1: same 7\nf:3:1: same 8\nf:3:1: same 9\n"
	    "f:3:1: same 10\nf:3:1: same 11\nf:3:1: same 12\nf:3:1: same 13\nf:3:1: same 14\n"
	    "f:3:1: same 15\nf:3:1: same 16\nf:3:1: same 17\nf:3:1: same 18\nf:3:1: same 19\n"
	    "f:10:1: last\n");
	free(text);
	diag_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
