/* SPDX-License-Identifier: MIT */
/* Who may run what, and what runs a script. */
#include "ctl/program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *head;
	const char *interpreter, *argument, *name_for_env;
} heads[] = {
	{ "#!/bin/sh\necho\n", "/bin/sh", NULL, NULL },
	{ "#! /bin/sh -eu \nset\n", "/bin/sh", "-eu", NULL },
	{ "#!/bin/sh", "/bin/sh", NULL, NULL },
	{ "#!/bin/sh\r\n", "/bin/sh\r", NULL, NULL },
	{ "#!/usr/bin/env python3\n", "/usr/bin/env", "python3", "python3" },
	{ "#!/usr/bin/env -S python3 -u\n", "/usr/bin/env", "-S python3 -u", "python3" },
	{ "#!/usr/bin/env -Snode\n", "/usr/bin/env", "-Snode", "node" },
	{ "#!/usr/bin/env -i sh\n", "/usr/bin/env", "-i sh", NULL },
	{ "#!/usr/bin/env A=b sh\n", "/usr/bin/env", "A=b sh", NULL },
	{ "#!/usr/bin/env\n", "/usr/bin/env", NULL, NULL },
	{ "#!/usr/bin/python3 -uSE\n", "/usr/bin/python3", "-uSE", NULL },
	{ "#!\n/bin/sh\n", NULL, NULL, NULL },
	{ "#!", NULL, NULL, NULL },
	{ "echo\n", NULL, NULL, NULL },
	{ "", NULL, NULL, NULL },
};

static void assert_text(const char *got, const char *expected)
{
	if (expected)
		assert_string_equal(got, expected);
	else
		assert_null(got);
}

static void test_shebang(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct shebang s = { 0 };
		char *name;

		assert_int_equal(shebang_parse(slice_of(heads[i].head), &s),
		    heads[i].interpreter != NULL);
		if (!heads[i].interpreter)
			continue;
		name = shebang_name_for_env(&s);
		assert_text(s.interpreter, heads[i].interpreter);
		assert_text(s.argument, heads[i].argument);
		assert_text(name, heads[i].name_for_env);
		free(name);
		shebang_done(&s);
	}
}

/* The file is of user 10 and group 20. */
static const struct {
	uid_t uid;
	gid_t group;
	mode_t mode;
	bool may;
} rights[] = {
	{ 10, 99, S_IFREG | 0700, true },
	{ 10, 20, S_IFREG | 0077, false },
	{ 11, 20, S_IFREG | 0010, true },
	{ 11, 20, S_IFREG | 0701, false },
	{ 11, 99, S_IFREG | 0001, true },
	{ 11, 99, S_IFREG | 0770, false },
	{ 0, 99, S_IFREG | 0100, true },
	{ 0, 99, S_IFREG | 0666, false },
	{ 0, 99, S_IFDIR | 0000, true },
};

static void test_modes(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rights); i++) {
		gid_t group = rights[i].group;
		struct file_user u = { .uid = rights[i].uid, .groups = &group, .n_groups = 1 };
		struct stat st = { .st_uid = 10, .st_gid = 20, .st_mode = rights[i].mode };

		assert_int_equal(file_user_may(&u, &st, S_IXOTH), rights[i].may);
	}
}

static void test_hindrances(void **unused)
{
	struct file_user nobody = { .uid = 65534, .name = (char[]){ "nobody" } };
	char *why;

	(void)unused;
	assert_null(file_user_hindrance(&nobody, "/bin/sh"));
	assert_null(file_user_hindrance(&nobody, "/"));
	why = file_user_hindrance(&nobody, "/none/at/all");
	assert_string_equal(why, "/none: No such file or directory");
	free(why);
	why = file_user_hindrance(&nobody, "/etc/passwd");
	assert_string_equal(why, "/etc/passwd is not executable");
	free(why);
}

static void test_find(void **unused)
{
	char *path = program_find("sh", "/none::/bin:/usr/bin");

	(void)unused;
	assert_string_equal(path, "/bin/sh");
	free(path);
	assert_null(program_find("no-such-program", "/bin:/usr/bin"));
	assert_null(program_find("/etc/passwd", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shebang),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_hindrances),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
