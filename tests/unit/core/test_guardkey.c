/* SPDX-License-Identifier: MIT */
/* Patterns of guard keys: what is one, the keys that it makes, and whose slot they are in. */
#include "core/guardkey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"

static const struct entryid id = { 1717200000000, 12 };

static void test_what_is_a_pattern(void **unused)
{
	static const struct {
		const char *pattern, *expected; /* a part of what was expected; NULL: nothing */
	} cases[] = {
		{ "%i", NULL },
		{ "{%s}:once:%g:%i", NULL },
		{ "%f{order}", NULL },
		{ "%%:%i", NULL },
		{ "%i{", NULL },
		{ "{%i", NULL },
		{ "%f{a b:{}", NULL },
		{ "", "%i or %f{NAME}" },
		{ "once", "%i or %f{NAME}" },
		{ "{%s}:%g", "%i or %f{NAME}" },
		{ "%%i", "%i or %f{NAME}" },
		{ "%", "only %s" },
		{ "%i%", "only %s" },
		{ "%x:%i", "only %s" },
		{ "%I", "only %s" },
		{ "%f", "only %s" },
		{ "%f{", "only %s" },
		{ "%f{}", "only %s" },
		{ "%f{order", "only %s" },
		{ "%forder}", "only %s" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *why = guardkey_why_bad(cases[i].pattern);
		const char *expected = cases[i].expected;

		if (expected ? !why || !strstr(why, expected) : why != NULL)
			fail_msg("\"%s\": %s", cases[i].pattern, why ? why : "taken");
	}
}

static void test_group(void **unused)
{
	(void)unused;
	assert_true(guardkey_names_group("{%s}:%g:%i"));
	assert_true(guardkey_names_group("%g%i"));
	assert_false(guardkey_names_group("{%s}:once:%i"));
	assert_false(guardkey_names_group("%%g:%i"));
	assert_false(guardkey_names_group("%f{%g}"));
}

/* The key as a string, or "" where there is none. */
static const char *key_of(const char *pattern, const char *stream, const struct fields *f)
{
	static char key[GUARDKEY_MAX_BYTES + 1];
	struct guardkey *k = guardkey_new(pattern, stream, "workers");

	key[guardkey_write(k, id, f, key)] = '\0';
	if (*key) {
		char *prefix = guardkey_prefix(k);

		assert_memory_equal(key, prefix, strlen(prefix));
		free(prefix);
	}
	guardkey_free(k);
	return key;
}

static void test_keys(void **unused)
{
	static const struct {
		const char *pattern, *stream, *key;
	} cases[] = {
		{ "{%s}:once:%g:%i", "orders", "{orders}:once:workers:1717200000000-12" },
		{ "{%s}:once:%i", "{eu}orders", "{eu}orders:once:1717200000000-12" },
		{ "{%s}:%i", "a{}b", "{a{}b}:1717200000000-12" },
		{ "%s:%i", "orders", "orders:1717200000000-12" },
		{ "%i", "orders", "1717200000000-12" },
		{ "%i%i", "orders", "1717200000000-121717200000000-12" },
		{ "100%%%g%%%i", "orders", "100%workers%1717200000000-12" },
		{ "{{%s}}:%i", "orders", "{{orders}}:1717200000000-12" },
		{ "{%s:%i}", "orders", "{orders:1717200000000-12}" },
		{ "{%s}:%f{order}", "orders", "{orders}:A-17" },
		{ "%f{order}/%f{line}/%i", "orders", "A-17/3/1717200000000-12" },
		{ "%f{twice}", "orders", "first" },
		{ "%f{no}", "orders", "" },
		{ "%f{empty}:%i", "orders", "" },
		{ "%f{order}:%f{Order}", "orders", "" },
	};
	static const struct slice pairs[] = {
		{ "order", 5 },
		{ "A-17", 4 },
		{ "line", 4 },
		{ "3", 1 },
		{ "empty", 5 },
		{ NULL, 0 },
		{ "twice", 5 },
		{ "first", 5 },
		{ "twice", 5 },
		{ "second", 6 },
	};
	const struct fields f = { .n_pairs = ARRAY_LEN(pairs) / 2, .slices = pairs };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(key_of(cases[i].pattern, cases[i].stream, &f), cases[i].key);
	assert_string_equal(key_of("%i", "orders", NULL), "1717200000000-12");
}

static void test_bytes_of_a_field_stay(void **unused)
{
	static const struct slice pairs[] = { { "k", 1 }, { "a\0{}\xff", 5 } };
	const struct fields f = { .n_pairs = 1, .slices = pairs };
	struct guardkey *k = guardkey_new("x%f{k}y", "s", "g");
	char out[GUARDKEY_MAX_BYTES];

	(void)unused;
	assert_int_equal(guardkey_write(k, id, &f, out), 7);
	assert_memory_equal(out, "xa\0{}\xffy", 7);
	assert_true(guardkey_needs_fields(k));
	guardkey_free(k);
}

static void test_longest(void **unused)
{
	static const char text[GUARDKEY_MAX_BYTES] = { 0 };
	struct slice pair[] = { { "k", 1 }, { text, GUARDKEY_MAX_BYTES - 2 } };
	const struct fields f = { .n_pairs = 1, .slices = pair };
	struct guardkey *k = guardkey_new("a%f{k}b", "s", "g");
	char out[GUARDKEY_MAX_BYTES];

	(void)unused;
	assert_int_equal(guardkey_write(k, id, &f, out), GUARDKEY_MAX_BYTES);
	pair[1].len++;
	assert_int_equal(guardkey_write(k, id, &f, out), 0);
	guardkey_free(k);
}

static void test_fixed_bytes(void **unused)
{
	static const struct {
		const char *pattern;
		size_t bytes;
		bool needs_fields;
	} cases[] = {
		{ "%i", 41, false },
		{ "{%s}:%i", 8 + 1 + 41, false },
		{ "%f{order}%g", 7, true },
		{ "%i:%f{a}:%i:%f{b}", 3 + 2 * 41, true },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct guardkey *k = guardkey_new(cases[i].pattern, "orders", "workers");

		assert_int_equal(guardkey_fixed_bytes(k), cases[i].bytes);
		assert_int_equal(guardkey_needs_fields(k), cases[i].needs_fields);
		guardkey_free(k);
	}
}

static void test_slots(void **unused)
{
	static const struct {
		const char *pattern, *stream;
		bool same;
	} cases[] = {
		{ "{%s}:once:%g:%i", "orders", true },
		{ "{%s}:once:%g:%i", "{eu}orders", true },
		{ "{%s}:once:%f{a}", "orders", true },
		{ "once:%i:{%s}", "orders", true },
		{ "{orders}:%i", "orders", true },
		{ "{eu}:%i", "{eu}orders", true },
		{ "{eu}:%i", "orders", false },
		{ "%s:once:%i", "{eu}orders", true },
		{ "%s:once:%i", "orders", false },
		{ "%i", "orders", false },
		{ "{%i}", "orders", false },
		{ "{%s:%i}", "orders", false },
		{ "{}{%s}:%i", "orders", false },
		{ "{%s}:%i", "a}b", false },
		{ "{%s}:%i", "{}a", false },
		/* What is in a field is not known. */
		{ "%f{a}:{%s}", "orders", false },
		{ "{%s:%f{a}}", "orders", false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct guardkey *k = guardkey_new(cases[i].pattern, cases[i].stream, "workers");

		if (guardkey_is_in_slot_of(k, cases[i].stream) != cases[i].same)
			fail_msg("%s of %s", cases[i].pattern, cases[i].stream);
		guardkey_free(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_pattern),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_bytes_of_a_field_stay),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_fixed_bytes),
		cmocka_unit_test(test_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
