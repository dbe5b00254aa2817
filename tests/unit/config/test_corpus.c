/* SPDX-License-Identifier: MIT */
/* Replays what the fuzz target starts from. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../fuzz/fuzz_config.c"

static void replay(const char *name)
{
	static uint8_t data[65536];
	char path[512];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "tests/fuzz/corpus/config/%s", name);
	f = fopen(path, "r");
	assert_non_null(f);
	len = fread(data, 1, sizeof(data), f);
	fclose(f);
	assert_int_equal(LLVMFuzzerTestOneInput(data, len), 0);
}

static void test_corpus(void **state)
{
	DIR *dir = opendir("tests/fuzz/corpus/config");
	size_t n = 0;

	(void)state;
	if (!dir)
		fail_msg("run the test from the root of the project");
	for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		if (e->d_name[0] == '.')
			continue;
		replay(e->d_name);
		n++;
	}
	closedir(dir);
	assert_true(n > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
