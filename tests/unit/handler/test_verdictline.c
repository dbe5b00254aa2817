/* SPDX-License-Identifier: MIT */
/* Every verb in every form, with and without tags, and what is no verdict. */
#include "handler/verdictline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOT_A_VERDICT VERB_COUNT

/* What one rule makes of a line; tags as "1,2,3". */
struct reading {
	enum verb verb;
	const char *tags;
	int delay_ms; /* -1: none */
	const char *reason;
};

#define NO                                                                                         \
	{                                                                                          \
		NOT_A_VERDICT, "", -1, ""                                                          \
	}

static const struct {
	const char *line;
	struct reading required, optional, none;
} lines[] = {
	{ "ok 17", { VERB_OK, "17", -1, "" }, { VERB_OK, "17", -1, "" }, { VERB_OK, "", -1, "" } },
	{ "ok", NO, { VERB_OK, "", -1, "" }, { VERB_OK, "", -1, "" } },
	{ "ok 1 2  3", { VERB_OK, "1,2,3", -1, "" }, { VERB_OK, "1,2,3", -1, "" },
	    { VERB_OK, "", -1, "" } },
	{ "ok 17\r", { VERB_OK, "17", -1, "" }, { VERB_OK, "17", -1, "" },
	    { VERB_OK, "", -1, "" } },
	{ "ok\t17 ", { VERB_OK, "17", -1, "" }, { VERB_OK, "17", -1, "" },
	    { VERB_OK, "", -1, "" } },
	{ "ok 017", { VERB_OK, "17", -1, "" }, { VERB_OK, "17", -1, "" }, { VERB_OK, "", -1, "" } },
	{ "ok 17 done", NO, NO, NO },
	{ "ok done", NO, NO, NO },
	{ "ok -1", NO, NO, NO },
	{ "ok 18446744073709551615", { VERB_OK, "18446744073709551615", -1, "" },
	    { VERB_OK, "18446744073709551615", -1, "" }, { VERB_OK, "", -1, "" } },
	{ "ok 18446744073709551616", NO, NO, NO },
	{ "retry 5", { VERB_RETRY, "5", -1, "" }, { VERB_RETRY, "5", -1, "" },
	    { VERB_RETRY, "", -1, "5" } },
	{ "retry", NO, { VERB_RETRY, "", -1, "" }, { VERB_RETRY, "", -1, "" } },
	{ "retry 5 delay=30s", { VERB_RETRY, "5", 30000, "" }, { VERB_RETRY, "5", 30000, "" },
	    { VERB_RETRY, "", -1, "5 delay=30s" } },
	{ "retry 5 delay=0ms busy now", { VERB_RETRY, "5", 0, "busy now" },
	    { VERB_RETRY, "5", 0, "busy now" }, { VERB_RETRY, "", -1, "5 delay=0ms busy now" } },
	{ "retry delay=30s busy", NO, { VERB_RETRY, "", 30000, "busy" },
	    { VERB_RETRY, "", 30000, "busy" } },
	{ "retry 5 delay=soon", { VERB_RETRY, "5", -1, "delay=soon" },
	    { VERB_RETRY, "5", -1, "delay=soon" }, { VERB_RETRY, "", -1, "5 delay=soon" } },
	{ "retry 5 delay=", { VERB_RETRY, "5", -1, "delay=" }, { VERB_RETRY, "5", -1, "delay=" },
	    { VERB_RETRY, "", -1, "5 delay=" } },
	{ "retry 5 busy delay=1s", { VERB_RETRY, "5", -1, "busy delay=1s" },
	    { VERB_RETRY, "5", -1, "busy delay=1s" }, { VERB_RETRY, "", -1, "5 busy delay=1s" } },
	{ "retry 5 6", { VERB_RETRY, "5", -1, "6" }, { VERB_RETRY, "5", -1, "6" },
	    { VERB_RETRY, "", -1, "5 6" } },
	{ "retry busy", NO, { VERB_RETRY, "", -1, "busy" }, { VERB_RETRY, "", -1, "busy" } },
	{ "dead 404 not found", { VERB_DEAD, "404", -1, "not found" },
	    { VERB_DEAD, "404", -1, "not found" }, { VERB_DEAD, "", -1, "404 not found" } },
	{ "dead", NO, { VERB_DEAD, "", -1, "" }, { VERB_DEAD, "", -1, "" } },
	{ "dead 7 \"a\\nb\"", { VERB_DEAD, "7", -1, "a\nb" }, { VERB_DEAD, "7", -1, "a\nb" },
	    { VERB_DEAD, "", -1, "7 \"a\\nb\"" } },
	{ "dead 7 \"a\" b", { VERB_DEAD, "7", -1, "\"a\" b" }, { VERB_DEAD, "7", -1, "\"a\" b" },
	    { VERB_DEAD, "", -1, "7 \"a\" b" } },
	{ "dead 7 delay=3s", { VERB_DEAD, "7", -1, "delay=3s" }, { VERB_DEAD, "7", -1, "delay=3s" },
	    { VERB_DEAD, "", -1, "7 delay=3s" } },
	{ "drop 7 old", { VERB_DROP, "7", -1, "old" }, { VERB_DROP, "7", -1, "old" },
	    { VERB_DROP, "", -1, "7 old" } },
	{ "release 1 2", { VERB_RELEASE, "1,2", -1, "" }, { VERB_RELEASE, "1,2", -1, "" },
	    { VERB_RELEASE, "", -1, "" } },
	{ "release", NO, { VERB_RELEASE, "", -1, "" }, { VERB_RELEASE, "", -1, "" } },
	{ "release me", NO, NO, NO },
	{ "working 1 2", { VERB_WORKING, "1,2", -1, "" }, { VERB_WORKING, "1,2", -1, "" },
	    { VERB_WORKING, "", -1, "" } },
	{ "working", NO, { VERB_WORKING, "", -1, "" }, { VERB_WORKING, "", -1, "" } },
	{ "working hard", NO, NO, NO },
	{ "ready", { VERB_READY, "", -1, "" }, { VERB_READY, "", -1, "" },
	    { VERB_READY, "", -1, "" } },
	{ "ready 1", NO, NO, NO },
	{ "pause 2m", { VERB_PAUSE, "", 120000, "" }, { VERB_PAUSE, "", 120000, "" },
	    { VERB_PAUSE, "", 120000, "" } },
	{ "pause", NO, NO, NO },
	{ "pause 5", NO, NO, NO },
	{ "pause 5s please", NO, NO, NO },
	{ "retire", { VERB_RETIRE, "", -1, "" }, { VERB_RETIRE, "", -1, "" },
	    { VERB_RETIRE, "", -1, "" } },
	{ "retire now", NO, NO, NO },
	{ "broken", { VERB_BROKEN, "", -1, "" }, { VERB_BROKEN, "", -1, "" },
	    { VERB_BROKEN, "", -1, "" } },
	{ "broken 5 no db", { VERB_BROKEN, "", -1, "5 no db" }, { VERB_BROKEN, "", -1, "5 no db" },
	    { VERB_BROKEN, "", -1, "5 no db" } },
	{ "", NO, NO, NO },
	{ "  ", NO, NO, NO },
	{ " ok 1", NO, NO, NO },
	{ "OK 1", NO, NO, NO },
	{ "okay 1", NO, NO, NO },
	{ "o 1", NO, NO, NO },
	{ "17", NO, NO, NO },
};

static void join_tags(struct slice tags, char *to, size_t size)
{
	uint64_t tag;

	*to = '\0';
	while (verdict_line_next_tag(&tags, &tag)) {
		size_t len = strlen(to);

		snprintf(to + len, size - len, "%s%llu", len ? "," : "", (unsigned long long)tag);
	}
}

static void assert_reads(const char *line, enum tag_rule rule, const struct reading *expected)
{
	struct verdict_line v;
	struct buf scratch = { 0 };
	struct slice reason;
	char tags[64];
	int r = verdict_line_parse(slice_of(line), rule, &v);

	if (expected->verb == NOT_A_VERDICT) {
		if (r == 0)
			fail_msg("\"%s\" was taken for a verdict", line);
		return;
	}
	if (r)
		fail_msg("\"%s\" was not taken for a verdict", line);
	assert_int_equal(v.verb, expected->verb);
	join_tags(v.tags, tags, sizeof(tags));
	assert_string_equal(tags, expected->tags);
	assert_int_equal(v.has_delay, v.verb == VERB_RETRY && expected->delay_ms >= 0);
	if (expected->delay_ms >= 0)
		assert_int_equal(v.delay_ms, expected->delay_ms);
	reason = verdict_reason(v.reason, &scratch);
	assert_int_equal(reason.len, strlen(expected->reason));
	if (reason.len)
		assert_memory_equal(reason.data, expected->reason, reason.len);
	buf_done(&scratch);
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_reads(lines[i].line, TAGS_REQUIRED, &lines[i].required);
		assert_reads(lines[i].line, TAGS_OPTIONAL, &lines[i].optional);
		assert_reads(lines[i].line, TAGS_NONE, &lines[i].none);
	}
}

static void test_any_bytes(void **state)
{
	static const char nul[] = "ok\0 1", high[] = "dead 1 \xff\xfe\0x";
	struct verdict_line v;
	struct buf scratch = { 0 };

	(void)state;
	assert_int_not_equal(verdict_line_parse((struct slice){ nul, sizeof(nul) - 1 },
	                         TAGS_REQUIRED, &v),
	    0);
	assert_int_equal(verdict_line_parse((struct slice){ high, sizeof(high) - 1 }, TAGS_REQUIRED,
	                     &v),
	    0);
	assert_true(slice_is(verdict_reason(v.reason, &scratch), "\xff\xfe\\x00x"));
	buf_done(&scratch);
}

/* --- outcomes --------------------------------------------------------------------------------- */

static const struct {
	const char *line;
	enum verdict verdict;
	enum failure failure;
	bool charged;
} outcomes[] = {
	{ "ok 1", VERDICT_OK, FAILURE_NONE, false },
	{ "retry 1 why", VERDICT_RETRY, FAILURE_RETRY, true },
	{ "dead 1 why", VERDICT_DEAD, FAILURE_RETRY, true },
	{ "drop 1 why", VERDICT_DROP, FAILURE_NONE, false },
	{ "release 1", VERDICT_RELEASE, FAILURE_NONE, false },
	{ "broken why", VERDICT_BROKEN, FAILURE_BROKEN, false },
};

static void test_outcomes(void **state)
{
	struct buf scratch = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++) {
		struct verdict_line v;
		struct outcome o;

		assert_int_equal(verdict_line_parse(slice_of(outcomes[i].line), TAGS_REQUIRED, &v),
		    0);
		assert_true(verb_is_terminal(v.verb));
		verdict_line_outcome(&v, &scratch, &o);
		assert_int_equal(o.verdict, outcomes[i].verdict);
		assert_int_equal(o.failure, outcomes[i].failure);
		assert_int_equal(o.charged, outcomes[i].charged);
		assert_int_equal(o.exit_status, -1);
		assert_int_equal(o.detail.len, strstr(outcomes[i].line, "why") ? 3 : 0);
	}
	assert_false(verb_is_terminal(VERB_WORKING) || verb_is_terminal(VERB_READY) ||
	             verb_is_terminal(VERB_PAUSE) || verb_is_terminal(VERB_RETIRE));
	buf_done(&scratch);
}

/* --- reasons ---------------------------------------------------------------------------------- */

/* value NULL: no JSON string, so the text is the reason. */
static const struct {
	const char *raw, *value;
} reasons[] = {
	{ "\"\"", "" },
	{ "\"plain\"", "plain" },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
	{ "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
	{ "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
	{ "\"a\\u0000b\\u0000\"", "a\\x00b\\x00" },
	{ "\"\xc3\xa9\"", "\xc3\xa9" },
	{ "\"", NULL },
	{ "\"a", NULL },
	{ "\"a\\\"", NULL },
	{ "\"a\"b\"", NULL },
	{ "\"\\x41\"", NULL },
	{ "\"\\u12\"", NULL },
	{ "\"\\u12g4\"", NULL },
	{ "\"\\ud83d\"", NULL },
	{ "\"\\ud83dx\"", NULL },
	{ "\"\\ud83d\\u0041\"", NULL },
	{ "\"\\ude00\"", NULL },
	{ "\"tab\there\"", NULL },
	{ "\"\xff\"", NULL },
	{ "plain", NULL },
};

static void test_reasons(void **state)
{
	struct buf scratch = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		struct slice got = verdict_reason(slice_of(reasons[i].raw), &scratch);
		const char *expected = reasons[i].value ? reasons[i].value : reasons[i].raw;

		assert_int_equal(got.len, strlen(expected));
		if (got.len)
			assert_memory_equal(got.data, expected, got.len);
	}
	buf_done(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests_name("verdictline", tests, NULL, NULL);
}
