/* SPDX-License-Identifier: MIT */
#include "core/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"

#define S(literal)                                                                                 \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

enum { MAX_PAIRS = 4 };

static const struct {
	const char *name;
	uint32_t n_pairs;
	size_t bytes;
	struct slice slices[2 * MAX_PAIRS];
} cases[] = {
	{ "none", 0, 0, { { NULL, 0 } } },
	{ "one", 1, 7, { S("key"), S("text") } },
	{ "empty value", 1, 1, { S("k"), S("") } },
	{ "empty name", 1, 1, { S(""), S("v") } },
	{ "all empty", 2, 0, { S(""), S(""), S(""), S("") } },
	{ "no memory behind empty", 1, 0, { { NULL, 0 }, { NULL, 0 } } },
	{ "binary", 2, 12, { S("a\0b"), S("\0\0\0"), S("\xff\xfe"), S("\r\n\0$") } },
	{ "same names", 3, 6, { S("n"), S("1"), S("n"), S("2"), S("n"), S("3") } },
	{ "empty between", 3, 4, { S("a"), S(""), S(""), S("b"), S("c"), S("d") } },
};

static void assert_same_fields(const struct fields *a, const struct fields *b)
{
	assert_int_equal(a->n_pairs, b->n_pairs);
	for (size_t i = 0; i < 2 * (size_t)a->n_pairs; i++)
		assert_true(slice_equal(a->slices[i], b->slices[i]));
}

static void test_pack(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fields f = { cases[i].n_pairs, cases[i].slices }, back;
		struct packed_fields *p = fields_pack(&f);

		assert_int_equal(fields_bytes(&f), cases[i].bytes);
		back = fields_unpacked(p);
		assert_same_fields(&f, &back);
		assert_int_equal(fields_bytes(&back), cases[i].bytes);
		free(p);
	}
}

/* The copy must not lean on the reply that it was made from. */
static void test_copy_outlives_the_original(void **unused)
{
	char *reply = strdup("namevalue");
	struct slice slices[] = { { reply, 4 }, { reply + 4, 5 } };
	struct fields f = { 1, slices }, back;
	struct packed_fields *p = fields_pack(&f);

	(void)unused;
	memset(reply, 'x', 9);
	free(reply);
	memset(slices, 0, sizeof(slices));
	back = fields_unpacked(p);
	assert_true(slice_is(back.slices[0], "name"));
	assert_true(slice_is(back.slices[1], "value"));
	free(p);
}

static const struct {
	struct slice name;
	const char *value; /* NULL: not there */
} lookups[] = {
	{ S("first"), "1" }, { S("twice"), "2" }, { S(""), "4" }, { { NULL, 0 }, "4" },
	{ S("bin\0ary"), "5" }, { S("bin"), NULL }, { S("firs"), NULL }, { S("first "), NULL },
	{ S("FIRST"), NULL }, { S("1"), NULL }, /* a value is not a name */
};

static void test_get(void **unused)
{
	static const struct slice slices[] = { S("first"), S("1"), S("twice"), S("2"), S("twice"),
		S("3"), S(""), S("4"), S("bin\0ary"), S("5") };
	struct fields f = { ARRAY_LEN(slices) / 2, slices };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(lookups); i++) {
		const struct slice *v = fields_get(&f, lookups[i].name);

		if (!lookups[i].value)
			assert_null(v);
		else
			assert_true(v && slice_is(*v, lookups[i].value));
	}
}

static void test_many_random(void **unused)
{
	enum { N = 2 * 500 };
	static char bytes[4096];
	struct slice slices[N];
	struct rng r = { 13 };

	(void)unused;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)rng_next(&r);
	for (int round = 0; round < 50; round++) {
		struct fields f = { (uint32_t)rng_between(&r, 0, N / 2), slices }, back;
		struct packed_fields *p;

		for (size_t i = 0; i < N; i++) {
			size_t at = rng_between(&r, 0, sizeof(bytes));

			slices[i] = (struct slice){ bytes + at,
				rng_between(&r, 0, (sizeof(bytes) - at) / 8) };
		}
		p = fields_pack(&f);
		back = fields_unpacked(p);
		assert_same_fields(&f, &back);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pack),
		cmocka_unit_test(test_copy_outlives_the_original),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_many_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
