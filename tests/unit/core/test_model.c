/* SPDX-License-Identifier: MIT */
/*
 * The life of entries, explored exhaustively for small numbers: in every state that daemons and
 * faults can lead to the promises hold, and from every one of them, with no more faults, all ends
 * acknowledged or buried. And each mutant is caught, so that this proves something.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "life.h"

enum { STATES_MAX = 1000000 };

static const struct scope scopes[] = {
	{ .name = "two daemons, one entry, any number of faults",
	    .n_daemons = 2,
	    .n_entries = 1,
	    .max_attempts = 1,
	    .in_transit = true,
	    .trims = true },
	{ .name = "two daemons, one entry, more of it in transit, up to three faults",
	    .n_daemons = 2,
	    .n_entries = 1,
	    .max_attempts = 2,
	    .in_transit = true,
	    .renewals_travel = true,
	    .trims = true,
	    .faults_max = 3 },
	{ .name = "three daemons, one entry, up to three faults",
	    .n_daemons = 3,
	    .n_entries = 1,
	    .max_attempts = 1,
	    .faults_max = 3 },
	{ .name = "one daemon, two entries, up to three faults",
	    .n_daemons = 1,
	    .n_entries = 2,
	    .max_attempts = 1,
	    .in_transit = true,
	    .trims = true,
	    .one_handler = true,
	    .faults_max = 3 },
	{ .name = "two daemons, two entries, up to two faults",
	    .n_daemons = 2,
	    .n_entries = 2,
	    .max_attempts = 1,
	    .one_handler = true,
	    .faults_max = 2 },
	{ .name = "one daemon, three entries, one fault",
	    .n_daemons = 1,
	    .n_entries = 3,
	    .max_attempts = 1,
	    .one_handler = true,
	    .faults_max = 1 },
};

/* Few faults suffice to be caught. */
static const struct scope scope_of_mutants = {
	.n_daemons = 2,
	.n_entries = 1,
	.max_attempts = 2,
	.in_transit = true,
	.trims = true,
	.faults_max = 4,
};

static const char *const mutant_texts[MUTANT_COUNT] = {
#define X(name, text) [MUTANT_##name] = text,
	MUTANTS(X)
#undef X
};

static const struct {
	enum way way;
	const char *wrong;
} ways[] = {
	{ WAY_OK, "does not end, though the handler always says ok" },
	{ WAY_RETRY, "does not end, though the handler always says retry" },
	{ WAY_DEAD, "does not end, though the handler always says dead" },
};

/* The first state that is wrong or leads nowhere, or SEARCH_NONE, or SEARCH_FULL. */
static long explore(struct search *s, const char **ret_wrong)
{
	long at = search_run(s, ret_wrong);

	for (size_t i = 0; i < ARRAY_LEN(ways) && at == SEARCH_NONE; i++) {
		*ret_wrong = ways[i].wrong;
		at = search_stuck(s, ways[i].way);
	}
	return at;
}

static struct search *search_of(const struct space *space, const struct scope *scope)
{
	struct world first;
	struct search *s;

	life_first(scope, &first);
	s = search_new(space, &first, STATES_MAX);
	assert_non_null(s);
	return s;
}

static void test_promises_hold(void **state)
{
	const struct scope *scope = *state;
	struct space space = life_space(scope);
	struct search *s = search_of(&space, scope);
	const char *wrong = "";
	long at = explore(s, &wrong);

	if (at >= 0) {
		printf("%s:\n", wrong);
		search_print_way(s, at);
	}
	printf("%s: %zu states, %zu of them ends\n", scope->name, search_n_states(s),
	    search_n_ends(s));
	assert_int_equal(at, SEARCH_NONE);
	assert_true(search_n_ends(s) > 0);
	search_free(s);
}

static void test_mutants_are_caught(void **unused)
{
	(void)unused;
	for (int m = MUTANT_NONE + 1; m < MUTANT_COUNT; m++) {
		struct scope scope = scope_of_mutants;
		struct space space = life_space(&scope);
		struct search *s = search_of(&space, &scope);
		const char *wrong = "";
		long at;

		scope.mutant = (enum mutant)m;
		at = explore(s, &wrong);
		printf("%s: %s (%zu states)\n", mutant_texts[m], at < 0 ? "NOT CAUGHT" : wrong,
		    search_n_states(s));
		assert_true(at >= 0);
		search_free(s);
	}
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(scopes) + 1];

	for (size_t i = 0; i < ARRAY_LEN(scopes); i++)
		tests[i] = (struct CMUnitTest)cmocka_unit_test_prestate(test_promises_hold,
		    (void *)(uintptr_t)&scopes[i]);
	tests[ARRAY_LEN(scopes)] = (struct CMUnitTest)cmocka_unit_test(test_mutants_are_caught);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
