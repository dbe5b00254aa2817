/* SPDX-License-Identifier: MIT */
#include "ctl/fields.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(s)                                                                                    \
	{                                                                                          \
		.type = REPLY_TEXT, .text = { s, sizeof(s) - 1 }                                   \
	}

static struct reply array_of(struct reply *items, size_t len)
{
	return (struct reply){ .type = REPLY_ARRAY, .array = { items, len } };
}

static void test_entries(void **state)
{
	struct reply pairs[] = { TEXT("a"),
		TEXT("1\0"
		     "2"),
		TEXT(""), TEXT("") };
	struct reply whole[] = { TEXT("5-1"), array_of(pairs, 4) };
	struct reply gone[] = { TEXT("5-2"), { .type = REPLY_NIL } };
	struct reply torn[] = { TEXT("5"), array_of(pairs, 4) };
	struct entryview v = { 0 };
	struct reply r = array_of(whole, 2);

	(void)state;
	assert_int_equal(entryview_read(&v, &r), 0);
	assert_true(v.id.ms == 5 && v.id.seq == 1 && !v.is_gone);
	assert_int_equal(v.fields.n_pairs, 2);
	assert_true(slice_equal(v.fields.slices[1], (struct slice){ "1\0"
	                                                            "2",
	                                                3 }));
	r = array_of(gone, 2);
	assert_int_equal(entryview_read(&v, &r), 0);
	assert_true(v.is_gone && v.fields.n_pairs == 0);
	r = array_of(torn, 2);
	assert_int_equal(entryview_read(&v, &r), -EPROTO);
	entryview_done(&v);
}

static void test_rows(void **state)
{
	struct reply one[] = { TEXT("name"), TEXT("g"), TEXT("lag"),
		{ .type = REPLY_INTEGER, .integer = 7 } };
	struct reply rows[] = { array_of(one, 4) };
	struct reply r = array_of(rows, 1);

	(void)state;
	assert_int_equal(reply_integer(xinfo_field(xinfo_named(&r, "g"), "lag")), 7);
	assert_null(xinfo_named(&r, "h"));
	assert_null(xinfo_field(xinfo_named(&r, "g"), "nope"));
	assert_null(xinfo_field(NULL, "lag"));
}

static void test_ids(void **state)
{
	static const struct {
		const char *text;
		int result;
		struct entryid id;
	} cases[] = {
		{ "5-1", 0, { 5, 1 } },
		{ "5", 0, { 5, 0 } },
		{ "0", 0, { 0, 0 } },
		{ "", -EINVAL, { 0 } },
		{ "5-", -EINVAL, { 0 } },
		{ "$", -EINVAL, { 0 } },
		{ "5-1-1", -EINVAL, { 0 } },
		{ "99999999999999999999", -EINVAL, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct entryid id = { 0 };

		assert_int_equal(id_parse(cases[i].text, &id), cases[i].result);
		assert_int_equal(entryid_compare(id, cases[i].id), 0);
	}
}

static void test_ages(void **state)
{
	const uint64_t now_ms = 1717200000000;
	uint64_t age_ms = 0;

	(void)state;
	assert_true(id_age_ms((struct entryid){ now_ms - 5, 9 }, now_ms, &age_ms));
	assert_int_equal(age_ms, 5);
	assert_true(id_age_ms((struct entryid){ now_ms + 5, 0 }, now_ms, &age_ms));
	assert_int_equal(age_ms, 0);
	assert_false(id_age_ms((struct entryid){ 17, 0 }, now_ms, &age_ms));
}

static void test_json(void **state)
{
	struct slice slices[] = { slice_of("a"), { "\xff", 1 } };
	struct fields f = { .n_pairs = 1, .slices = slices };
	struct buf to = { 0 };
	struct json j = { .to = &to };

	(void)state;
	json_object_begin(&j);
	json_pair_id(&j, "id", (struct entryid){ 5, 1 });
	json_pair_maybe_u64(&j, "lag", false, 3);
	json_pair_fields(&j, &f);
	json_pair_maybe_u64(&j, "n", true, 3);
	json_object_end(&j);
	buf_append_char(&to, '\0');
	assert_string_equal(buf_data(&to),
	    "{\"id\":\"5-1\",\"lag\":null,\"fields\":{\"a\":{\"base64\":\"/w==\"}},\"n\":3}");
	buf_done(&to);
}

static void test_pages(void **state)
{
	struct pagesize p = pagesize_begin();

	(void)state;
	for (int i = 0; i < 20; i++)
		pagesize_learn(&p, 100);
	assert_int_equal(p.n, PAGESIZE_MAX);
	pagesize_learn(&p, 512 * 1024);
	assert_int_equal(p.n, PAGESIZE_MAX);
	for (int i = 0; i < 20; i++)
		pagesize_learn(&p, 4 * 1024 * 1024);
	assert_int_equal(p.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
