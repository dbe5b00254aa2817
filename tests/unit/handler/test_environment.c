/* SPDX-License-Identifier: MIT */
/* What handlers inherit, what is theirs alone, and what is left out. */
#include "handler/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "handler/pool.h"

#define TEXT(s) ((char[]){ s })

static void assert_list(char *const *list, const char *const *expected)
{
	size_t i;

	for (i = 0; expected[i]; i++) {
		assert_non_null(list[i]);
		assert_string_equal(list[i], expected[i]);
	}
	assert_null(list[i]);
}

static void test_own_variables_are_removed(void **state)
{
	char *const daemon[] = { TEXT("PATH=/bin"), TEXT("NOTIFY_SOCKET=/x"),
		TEXT("WATCHDOG_PID=1"), TEXT("WATCHDOG_USEC=1"), TEXT("LISTEN_FDS=1"),
		TEXT("LISTEN_PID=1"), TEXT("LISTEN_FDNAMES=x"), TEXT("CREDENTIALS_DIRECTORY=/x"),
		TEXT("JOURNAL_STREAM=1:2"), TEXT("LIBEV_FLAGS=1"), TEXT("SLUICE_ID=1-0"),
		TEXT("LISTEN=yes"), TEXT("ODD"), NULL };
	const char *const expected[] = { "PATH=/bin", "LISTEN=yes", "ODD", NULL };
	char **list = handler_environment_new(daemon);

	(void)state;
	assert_list(list, expected);
	handler_environment_free(list);
	handler_environment_free(NULL);
}

static void test_configured_variables_win(void **state)
{
	char *const base[] = { TEXT("LANG=C"), TEXT("LANGUAGE=de"), TEXT("TZ=UTC"), NULL };
	char *names[] = { TEXT("LANG"), TEXT("COLOUR"), TEXT("SLUICE_ID") };
	char *values[] = { TEXT("C.UTF-8"), TEXT(""), TEXT("mine") };
	struct handler_settings s = { .environment = { names, values, 3 } };
	const char *const expected[] = { "LANGUAGE=de", "TZ=UTC", "LANG=C.UTF-8",
		"COLOUR=", "SLUICE_PROTOCOL=1", "SLUICE_VERDICT_FD=3", NULL };
	char **list = environment_new(base, &s);

	(void)state;
	assert_list(list, expected);
	handler_environment_free(list);
}

static void test_verdicts_on_stdout(void **state)
{
	char *const base[] = { NULL };
	struct handler_settings s = { .verdicts = VERDICTS_STDOUT };
	const char *const expected[] = { "SLUICE_PROTOCOL=1", "SLUICE_VERDICT_FD=1", NULL };
	char **list = environment_new(base, &s);

	(void)state;
	assert_list(list, expected);
	handler_environment_free(list);
}

static const struct origin origin = { .stream = "s", .group = "g", .consumer = "c" };
static const struct entry entry = { .origin = &origin, .id = { 5, 6 }, .attempts = 2 };

#define FACTS                                                                                      \
	"A=b", "SLUICE_STREAM=s", "SLUICE_GROUP=g", "SLUICE_CONSUMER=c", "SLUICE_ID=5-6",          \
	    "SLUICE_ATTEMPT=2", "SLUICE_MAX_ATTEMPTS=8", "SLUICE_DEADLINE_MS=1717200030000"

/* The environment of a run with these names configured and these fields in the entry. */
static void assert_run(struct string_list names, const struct fields *f,
    const char *const *expected)
{
	struct run_environment r = { 0 };
	char *const common[] = { TEXT("A=b"), NULL };
	struct handler_settings s = { .environment_fields = names };
	struct run_facts facts = {
		.entry = &entry,
		.fields = f,
		.max_attempts = 8,
		.deadline_ms = 1717200030000,
	};

	assert_list(run_environment_fill(&r, common, &s, &facts), expected);
	assert_list(run_environment_fill(&r, common, &s, &facts), expected);
	run_environment_done(&r);
}

static void test_run(void **state)
{
	const char *const expected[] = { FACTS, NULL };

	(void)state;
	assert_run((struct string_list){ NULL, 0 }, &(struct fields){ 0 }, expected);
}

static void test_fields(void **state)
{
	char *names[] = { TEXT("type"), TEXT("order-id"), TEXT("nul"), TEXT("missing"),
		TEXT("Type"), TEXT("\xc3\xa9 1"), TEXT("empty") };
	const struct slice slices[] = { slice_of("type"), slice_of("first"), slice_of("type"),
		slice_of("second"), slice_of("order-id"), slice_of("o=1\n"), slice_of("nul"),
		{ "a\0b", 3 }, slice_of("Type"), slice_of("same variable"), slice_of("\xc3\xa9 1"),
		slice_of("x"), slice_of("empty"), { NULL, 0 } };
	const char *const expected[] = { FACTS, "SLUICE_FIELD_TYPE=first",
		"SLUICE_FIELD_ORDER_ID=o=1\n", "SLUICE_FIELD_NUL_OMITTED=1", "SLUICE_FIELD____1=x",
		"SLUICE_FIELD_EMPTY=", NULL };

	(void)state;
	assert_run((struct string_list){ names, ARRAY_LEN(names) },
	    &(struct fields){ .n_pairs = ARRAY_LEN(slices) / 2, .slices = slices }, expected);
}

static void test_bounds(void **state)
{
	enum { LARGEST = 64 * 1024 };
	char *names[] = { TEXT("over"), TEXT("a"), TEXT("b"), TEXT("c") };
	char *value = xmalloc(LARGEST + 1), *a, *b;
	struct slice slices[] = { slice_of("over"), { value, LARGEST + 1 }, slice_of("a"),
		{ value, LARGEST }, slice_of("b"), { value, LARGEST }, slice_of("c"),
		{ value, 1 } };

	(void)state;
	memset(value, 'x', LARGEST + 1);
	a = xasprintf("SLUICE_FIELD_A=%.*s", LARGEST, value);
	b = xasprintf("SLUICE_FIELD_B=%.*s", LARGEST, value);
	{
		const char *const expected[] = { FACTS, "SLUICE_FIELD_OVER_OMITTED=1", a, b,
			"SLUICE_FIELD_C_OMITTED=1", NULL };

		assert_run((struct string_list){ names, ARRAY_LEN(names) },
		    &(struct fields){ .n_pairs = 4, .slices = slices }, expected);
	}
	free(a);
	free(b);
	free(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_variables_are_removed),
		cmocka_unit_test(test_configured_variables_win),
		cmocka_unit_test(test_verdicts_on_stdout),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
