/* SPDX-License-Identifier: MIT */
/* What the allocators return, and that they abort rather than return NULL. */
#include "base/alloc.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Under the address sanitizer a refused allocation must reach our own check. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* Volatile: the compiler warns of sizes that it can see are absurd. */
static volatile size_t huge = SIZE_MAX;

static void malloc_huge(void)
{
	free(xmalloc(huge - 64));
}

static void calloc_overflow(void)
{
	free(xcalloc(huge / 2, 4));
}

static void realloc_huge(void)
{
	free(xrealloc(NULL, huge - 64));
}

static void reallocarray_overflow(void)
{
	free(xreallocarray(NULL, huge / 2, 4));
}

static const struct {
	const char *name;
	void (*run)(void);
} refused[] = {
	{ "malloc", malloc_huge },
	{ "calloc", calloc_overflow },
	{ "realloc", realloc_huge },
	{ "reallocarray", reallocarray_overflow },
};

static int end_of_child(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(STDERR_FILENO);
		run();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_aborts_without_memory(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int status = end_of_child(refused[i].run);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
			fail_msg("%s: status %#x", refused[i].name, (unsigned)status);
	}
}

static void test_size_zero_is_memory(void **unused)
{
	void *all[] = { xmalloc(0), xcalloc(0, 8), xcalloc(8, 0), xrealloc(NULL, 0),
		xreallocarray(NULL, 0, 8), xmemdup(NULL, 0), xstrndup(NULL, 0) };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_non_null(all[i]);
		free(all[i]);
	}
}

static void test_copies(void **unused)
{
	char *dup = xstrdup("text"), *part = xstrndup("text", 2), *bytes = xmemdup("a\0b", 3);
	char *printed = xasprintf("%s-%d", "n", 42), *empty = xstrdup("");

	(void)unused;
	assert_string_equal(dup, "text");
	assert_string_equal(part, "te");
	assert_memory_equal(bytes, "a\0b", 3);
	assert_string_equal(printed, "n-42");
	assert_string_equal(empty, "");
	free(dup);
	free(part);
	free(bytes);
	free(printed);
	free(empty);
}

static void test_calloc_zeroes_and_realloc_keeps(void **unused)
{
	unsigned char *p = xcalloc(1000, 3);

	(void)unused;
	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(p[i], 0);
	memset(p, 0xab, 3000);
	p = xreallocarray(p, 2000, 3);
	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(p[i], 0xab);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size_zero_is_memory),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_calloc_zeroes_and_realloc_keeps),
		cmocka_unit_test(test_aborts_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
