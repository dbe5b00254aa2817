/* SPDX-License-Identifier: MIT */
/* Slots as Redis itself computes them (CLUSTER KEYSLOT), hash tags and what looks like one. */
#include "core/slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/compiler.h"

static void test_slots(void **unused)
{
	static const struct {
		const char *key;
		uint16_t slot;
	} cases[] = {
		{ "", 0 },
		{ "123456789", 12739 },
		{ "foo", 12182 },
		{ "{foo}", 12182 },
		{ "bar{foo}", 12182 },
		{ "{foo}:dead", 12182 },
		{ "bar{foo}{zap}", 12182 },
		{ "somekey", 11058 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(slot_of_key(slice_of(cases[i].key)), cases[i].slot);
}

static void test_what_is_no_tag_is_hashed_whole(void **unused)
{
	static const char *const keys[] = { "foo{}bar", "{}foo", "foo{bar", "foo}bar{" };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_false(slot_key_has_tag(slice_of(keys[i])));
	assert_true(slice_is(slot_tag(slice_of("bar{foo}{zap}")), "foo"));
	assert_true(slice_is(slot_tag(slice_of("foo{bar")), ""));
	/* What `redis-cli cluster keyslot` says of them. */
	assert_int_equal(slot_of_key(slice_of("foo{}{bar}")), 8363);
	assert_int_equal(slot_of_key(slice_of("foo{{bar}}zap")), 4015);
	assert_true(slot_key_has_tag(slice_of("foo{{bar}}zap")));
	assert_true(slot_key_has_tag(slice_of("{a}b")));
}

static void test_a_key_beside_another(void **unused)
{
	static const struct {
		const char *key;
		bool same_slot;
		const char *beside;
	} cases[] = {
		{ "orders", false, "orders:dead" },
		{ "orders", true, "{orders}:dead" },
		{ "{shop}:orders", true, "{shop}:orders:dead" },
		{ "shop{}", true, "{shop{}}:dead" },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *beside = slot_key_beside(cases[i].key, ":dead", cases[i].same_slot);

		assert_string_equal(beside, cases[i].beside);
		free(beside);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_what_is_no_tag_is_hashed_whole),
		cmocka_unit_test(test_a_key_beside_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
