/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "config/yamltree.h"
#include "load_text.h"

/* The tree as text: scalars quoted unless plain, each with its place. */
static void dump(const struct ynode *n, struct buf *to)
{
	if (n->kind == YNODE_SCALAR)
		buf_printf(to, n->plain ? "%s" : "'%s'", n->text);
	if (n->kind == YNODE_LIST)
		buf_append_char(to, '[');
	if (n->kind == YNODE_MAP)
		buf_append_char(to, '{');
	for (size_t i = 0; i < n->len; i++) {
		if (n->kind == YNODE_MAP) {
			dump(n->pairs[i].key, to);
			buf_append_char(to, ':');
			dump(n->pairs[i].value, to);
		} else {
			dump(n->items[i], to);
		}
		buf_append_char(to, ' ');
	}
	if (n->kind == YNODE_LIST)
		buf_append_char(to, ']');
	if (n->kind == YNODE_MAP)
		buf_append_char(to, '}');
	buf_printf(to, "@%u:%u", n->at.line, n->at.column);
}

static void check_tree(const char *text, const char *want)
{
	struct yamltree tree;
	struct diag diag;
	struct buf got = { 0 };
	char *messages;

	diag_init(&diag, "f");
	assert_int_equal(yamltree_parse(slice_of(text), &diag, &tree), 0);
	messages = messages_of(&diag);
	assert_string_equal(messages, "");
	dump(tree.root, &got);
	buf_append_char(&got, '\0');
	assert_string_equal(buf_data(&got), want);
	free(messages);
	buf_done(&got);
	yamltree_done(&tree);
	diag_done(&diag);
}

static void test_trees(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "a", "a@1:1" },
		{ "a: 1\nbc:\n  - x\n  - 'y'\n", "{a@1:1:1@1:4 bc@2:1:[x@3:5 'y'@4:5 ]@3:3 }@1:1" },
		{ "{a: [1, \"2\"], b: }", "{a@1:2:[1@1:6 '2'@1:9 ]@1:5 b@1:15:@1:18 }@1:1" },
		{ "\xef\xbb\xbf"
		  "a: b",
		    "{a@1:1:b@1:4 }@1:1" },
		{ "%YAML 1.2\n---\na: b\n...\n", "{a@3:1:b@3:4 }@3:1" },
		{ "\xc3\xa9: x", "{\xc3\xa9@1:1:x@1:4 }@1:1" },
		{ "a: 007\nb: no\nc: ~", "{a@1:1:007@1:4 b@2:1:no@2:4 c@3:1:~@3:4 }@1:1" },
		{ "a: !!str 5\nb: !!int \"5\"\n", "{a@1:1:'5'@1:4 b@2:1:5@2:4 }@1:1" },
		{ "a: !!map {}\nb: !!seq []\n", "{a@1:1:{}@1:4 b@2:1:[]@2:4 }@1:1" },
		{ "a: &x 1\nb: *x\n", "{a@1:1:1@1:4 b@2:1:1@1:4 }@1:1" },
		{ "a: &x 1\nb: &x 2\nc: *x\n", "{a@1:1:1@1:4 b@2:1:2@2:4 c@3:1:2@2:4 }@1:1" },
		{ "x: &x {a: 1, b: 2}\ny: {b: 3, <<: *x}\n",
		    "{x@1:1:{a@1:8:1@1:11 b@1:14:2@1:17 }@1:4 y@2:1:{b@2:5:3@2:8 "
		    "a@1:8:1@1:11 }@2:4 }@1:1" },
		{ "- &x {a: 1}\n- &y {a: 2, b: 2}\n- {<<: [*x, *y, {c: 3}]}\n",
		    "[{a@1:7:1@1:10 }@1:3 {a@2:7:2@2:10 b@2:13:2@2:16 }@2:3 {a@1:7:1@1:10 "
		    "b@2:13:2@2:16 c@3:18:3@3:21 }@3:3 ]@1:1" },
		{ "{\"<<\": 1}", "{'<<'@1:2:1@1:8 }@1:1" },
		{ "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
		    "[[[[[[[[[[[[[[[[]@1:16 ]@1:15 ]@1:14 ]@1:13 ]@1:12 ]@1:11 ]@1:10 ]@1:9 ]@1:8 "
		    "]@1:7 ]@1:6 ]@1:5 ]@1:4 ]@1:3 ]@1:2 ]@1:1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_tree(rows[i].text, rows[i].want);
}

static void check_errors(struct slice text, const char *want)
{
	struct yamltree tree;
	struct diag diag;
	char *messages;

	diag_init(&diag, "f");
	assert_int_equal(yamltree_parse(text, &diag, &tree), -EINVAL);
	diag_sort(&diag);
	messages = messages_of(&diag);
	assert_string_equal(messages, want);
	free(messages);
	yamltree_done(&tree);
	diag_done(&diag);
}

static void test_errors(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "", "f:1:1: the file holds no configuration\n" },
		{ "# only a comment\n", "f:1:1: the file holds no configuration\n" },
		{ "---\n", "f:2:1: the file holds no configuration\n" },
		{ "a: 1\n---\nb: 2\n", "f:2:1: a second document; a file has one\n" },
		{ "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 2\n",
		    "f:5:3: b: duplicate key \"c\" (first on line 3)\n"
		    "f:6:1: duplicate key \"a\" (first on line 1)\n" },
		{ "{<<: {}, <<: {}}", "f:1:10: duplicate key \"<<\" (first on line 1)\n" },
		{ "x-a:\n  - {k: 1, \"k\": 2}\n",
		    "f:2:12: x-a[0]: duplicate key \"k\" (first on line 2)\n" },
		{ "a: !foo bar\nb: !!set {}\n",
		    "f:1:4: a: unknown tag \"!foo\"\n"
		    "f:2:4: b: unknown tag \"tag:yaml.org,2002:set\"\n" },
		{ "a: !!map x\n",
		    "f:1:4: a: this is not what the tag says: \"tag:yaml.org,2002:map\"\n" },
		{ "a: \"x\\0y\"\n\"b\\0\": 1\n",
		    "f:1:4: a: expected text without NUL bytes, got one with\n"
		    "f:2:1: expected text without NUL bytes, got one with\n" },
		{ "[a, b]: c\n", "f:1:1: expected a key, got a list or a mapping\n" },
		{ "x: &y [*y]\n", "f:1:8: x[0]: alias to a value that contains it\n" },
		{ "x: *nope\n", "f:1:4: x: alias to an anchor that is not defined before it\n" },
		{ "x: {<<: 5}\n",
		    "f:1:9: x: expected a mapping, or a list of mappings, after <<\n" },
		{ "x: {<<: [{}, y]}\n",
		    "f:1:14: x: expected a mapping, or a list of mappings, after <<\n" },
		{ "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
		    "f:1:17: [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested more than 16 "
		    "levels deep\n" },
		{ "- &a [[[[[[[[[]]]]]]]]]\n- [[[[[[[*a]]]]]]]\n",
		    "f:2:10: [1][0][0][0][0][0][0][0]: nested more than 16 levels deep\n" },
		{ "a:\n\tb: 1\n", "f:2:1: not YAML: a tab cannot indent, use spaces\n" },
		{ "a:\n  b: 1\n\tc: 2\n", "f:3:1: not YAML: a tab cannot indent, use spaces\n" },
		{ "a: 1\nb: x\x01y\n", "f:2:5: not YAML: control characters are not allowed\n" },
		{ "a: 1\r\nb: 2\rc\xc3\xa9: \xff\n",
		    "f:3:5: not YAML: invalid leading UTF-8 octet\n" },
		{ "\xfe\xff"
		  "a",
		    "f:1:1: not YAML: invalid leading UTF-8 octet\n" },
		{ "a: [1, 2\nb: 3\n", "f:2:2: not YAML: did not find expected ',' or ']' (while "
		                      "parsing a flow sequence "
		                      "from line 1 on)\n" },
		{ "a: \"x", "f:1:6: not YAML: found unexpected end of stream\n" },
		{ "a: b: c\n",
		    "f:1:5: not YAML: mapping values are not allowed in this context\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_errors(slice_of(rows[i].text), rows[i].want);
}

static void test_nul_byte_in_the_file(void **state)
{
	(void)state;
	check_errors((struct slice){ "a: 1\n\0", 6 },
	    "f:2:1: not YAML: control characters are not allowed\n");
}

static void test_size(void **state)
{
	char *text = malloc(YAMLTREE_MAX_BYTES + 1);
	struct yamltree tree;
	struct diag diag;

	(void)state;
	memset(text, '#', YAMLTREE_MAX_BYTES + 1);
	memcpy(text, "a: b\n", 5);
	diag_init(&diag, "f");
	assert_int_equal(yamltree_parse((struct slice){ text, YAMLTREE_MAX_BYTES }, &diag, &tree),
	    0);
	yamltree_done(&tree);
	diag_done(&diag);
	check_errors((struct slice){ text, YAMLTREE_MAX_BYTES + 1 }, "f: larger than 1 MiB\n");
	free(text);
}

/* Each line repeats the one before ten times. */
static void test_alias_bomb(void **state)
{
	(void)state;
	check_errors(slice_of("a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	                      "b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"
	                      "c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\n"
	                      "d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\n"
	                      "e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n"),
	    "f:5:36: e[7]: more than 100000 values, counting those that aliases repeat\n");
}

static void test_merge_bomb(void **state)
{
	struct buf text = { 0 };
	uint64_t started = clock_mono_ms();

	(void)state;
	buf_append_text(&text, "a: &a {");
	for (unsigned i = 0; i < 4000; i++)
		buf_printf(&text, "k%u: , ", i);
	buf_append_text(&text, "}\nb:\n");
	for (unsigned i = 0; i < 12; i++)
		buf_append_text(&text, "- {<<: *a}\n");
	check_errors(buf_slice(&text),
	    "f:8:3: b[5]: more than 100000 values, counting those that aliases repeat\n");
	buf_done(&text);
	assert_true(clock_mono_ms() - started < 10000);
}

/* libyaml takes minutes for it when it is let. */
static void test_deep_file_is_refused_at_once(void **state)
{
	struct buf text = { 0 };
	uint64_t started = clock_mono_ms();

	(void)state;
	for (unsigned i = 0; i < 200000; i++)
		buf_append_char(&text, '[');
	check_errors(buf_slice(&text),
	    "f:1:17: [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested more than 16 levels "
	    "deep\n");
	buf_done(&text);
	assert_true(clock_mono_ms() - started < 10000);
}

static void test_long_keys_are_shortened(void **state)
{
	struct buf text = { 0 };
	struct yamltree tree;
	struct diag diag;
	char *messages;

	(void)state;
	for (unsigned line = 0; line < 2; line++) {
		for (unsigned i = 0; i < 500; i++)
			buf_append_text(&text, "\xc3\xa9");
		buf_append_text(&text, ": 1\n");
	}
	diag_init(&diag, "f");
	assert_int_equal(yamltree_parse(buf_slice(&text), &diag, &tree), -EINVAL);
	messages = messages_of(&diag);
	assert_true(strlen(messages) < 150);
	assert_non_null(strstr(messages, "\xc3\xa9...\" (first on line 1)"));
	free(messages);
	yamltree_done(&tree);
	diag_done(&diag);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_nul_byte_in_the_file),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_alias_bomb),
		cmocka_unit_test(test_merge_bomb),
		cmocka_unit_test(test_deep_file_is_refused_at_once),
		cmocka_unit_test(test_long_keys_are_shortened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
