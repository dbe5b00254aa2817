/* SPDX-License-Identifier: MIT */
/* What is printed can be read back, and the table says the same everywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "config/option.h"
#include "config/types.h"
#include "config/yamltext.h"
#include "load_text.h"

static char *printed(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	config_print(c, to);
	fclose(to);
	return text;
}

static char *text_of(void (*print)(FILE *to))
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	print(to);
	fclose(to);
	return text;
}

static void check_round_trip(const char *text)
{
	struct config *first = load_good(text), *second;
	char *once = printed(first), *twice;

	second = load_good(once);
	twice = printed(second);
	assert_string_equal(once, twice);
	config_free(first);
	config_free(second);
	free(once);
	free(twice);
}

static void test_round_trip(void **state)
{
	(void)state;
	check_round_trip(CONSUMER);
	check_round_trip(
	    "redis: {url: \"unix:///a b?db=3\", username: 'yes', connect_timeout: 90s, keepalive: "
	    "1h}\n"
	    "daemon: {instance: '007', runtime_dir: \"/x \\\"y\\\\\", listen: [], drain_timeout: "
	    "0s,\n"
	    "  log: {level: debug, format: json}, max_in_flight_bytes: 1025}\n"
	    "defaults: {handler: {window: 4, mode: worker, ready: true, environment: {A: \"\", 'B "
	    "C': "
	    "\"x\\ny\\t\\e\\u2028\\uFEFF\\x80\"}}}\n"
	    "consumers:\n"
	    "  w: {streams: [\"{e}:{0..3}\", 'no', '~', '#x', 'a: b', '- c', \"\\u00e9\", "
	    "'12:30']\n"
	    "    , group: '%', consumer: \"100%%-%n\", start: 5-6,\n"
	    "    on_missing_group: fail, handler: {command: [sh, '', '-c', 'a, [b] {c}', \"'\", "
	    "'*']},\n"
	    "    dead_letter: {stream: 'off', maxlen: 7}, retry: {multiplier: 1.25, max_attempts: "
	    "0}}\n"
	    "  e: {stream: s, group: 'null', dead_letter: {stream: off}, start: end, "
	    "max_entry_bytes: 1,\n"
	    "    handler: {command: [/bin/sh], mode: exec, window: 1, stdin: \"field a: b\",\n"
	    "    environment_fields: [a, 'true'], exit_codes: {0: retry, 3: dead, 65: ok, 255: "
	    "drop}}}\n");
}

static void test_long_names_are_read_back(void **state)
{
	struct buf text = { 0 };

	(void)state;
	buf_append_text(&text, "defaults: {handler: {environment: {? ");
	for (unsigned i = 0; i < 3000; i++)
		buf_append_char(&text, 'a');
	buf_append_text(&text, " : x}}}\n" CONSUMER);
	buf_append_char(&text, '\0');
	check_round_trip(buf_data(&text));
	buf_done(&text);
}

static void test_secrets_are_hidden(void **state)
{
	char *messages, *text;
	struct config *c =
	    load_bytes(slice_of("redis: {url: \"redis://bob@h:1/2\", password: hush}\n" CONSUMER),
	        NULL, &messages);

	(void)state;
	text = printed(c);
	assert_null(strstr(text, "hush"));
	assert_non_null(
	    strstr(text, "  url: redis://h:1/2\n  username: bob\n  password: \"***\"\n"));
	free(text);
	free(messages);
	config_free(c);
}

static void test_effective_values_are_shown(void **state)
{
	static const char *const lines[] = {
		"  runtime_dir: /run/given\n",
		"  listen: [unix:/run/given/control.sock]\n",
		"    streams: [\"s{a}:1\", \"s{a}:2\"]\n",
		"    consumer: x%%\n",
		"      min_idle: 1m\n      interval: 15s\n",
		"      exit_codes: {0: ok, 3: dead, 64: broken, 65: dead, 78: broken, 126: broken, "
		"127: "
		"broken}\n",
		"    # dead_letter.stream: STREAM:dead\n",
	};
	struct config *c;
	char *text;

	(void)state;
	setenv("RUNTIME_DIRECTORY", "/run/given", 1);
	c = load_good(
	    "consumers:\n  a: {streams: ['s{a}:{1..2}'], group: g, consumer: 'x%%', handler: "
	    "{command: [/bin/sh], exit_codes: {3: dead}}}\n");
	unsetenv("RUNTIME_DIRECTORY");
	text = printed(c);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		assert_non_null(strstr(text, lines[i]));
	free(text);
	config_free(c);
}

static char *read_whole(const char *path)
{
	struct buf text = { 0 };
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		fail_msg("%s is missing; run the test from the root of the project", path);
	do {
		n = fread(buf_reserve(&text, 4096), 1, 4096, f);
		buf_added(&text, n);
	} while (n);
	fclose(f);
	return buf_take_text(&text);
}

static void test_reference_file(void **state)
{
	char *want = text_of(config_print_reference), *have = read_whole("config/sluiced.yaml");
	struct config *c = load_good(have);

	(void)state;
	assert_string_equal(have, want);
	assert_int_equal(c->n_consumers, 1);
	free(want);
	free(have);
	config_free(c);
}

static size_t indent_of(const char *line)
{
	return strspn(line + 1, " ");
}

static const char *next_line(const char *line)
{
	return strchr(line, '\n') + 1;
}

/* Is this a key with a value, or a mapping with such a key somewhere in it? */
static bool says_something(const char *line)
{
	if (strchr(line, '\n')[-1] != ':')
		return true;
	for (const char *p = next_line(line); *p == '#'; p = next_line(p)) {
		if (p[1 + indent_of(p)] == '#')
			continue;
		if (indent_of(p) <= indent_of(line))
			return false;
		if (strchr(p, '\n')[-1] != ':')
			return true;
	}
	return false;
}

/* With every default written out, the reference file means what it means without them. */
static void test_reference_says_the_defaults(void **state)
{
	char *reference = text_of(config_print_reference), *bare, *full;
	struct config *c = load_good(reference);
	struct buf text = { 0 };

	(void)state;
	bare = printed(c);
	config_free(c);
	for (char *line = reference; *line; line = strchr(line, '\n') + 1) {
		bool is_key = line[0] == '#' && line[1] != '\n' && line[1 + indent_of(line)] != '#';
		size_t len = (size_t)(strchr(line, '\n') - line) + 1;

		if (is_key && line[1] == ' ' && line[2] != ' ')
			continue; /* the text at the head */
		if (line[0] != '#')
			buf_append(&text, line, len);
		else if (is_key && says_something(line))
			buf_append(&text, line + 1, len - 1);
	}
	buf_append_char(&text, '\0');
	c = load_good(buf_data(&text));
	full = printed(c);
	assert_string_equal(full, bare);
	assert_non_null(strstr(buf_data(&text), "\n    max_attempts: 8\n"));
	config_free(c);
	free(bare);
	free(full);
	free(reference);
	buf_done(&text);
}

static void test_reference_names_every_option(void **state)
{
	char *text = text_of(config_print_reference);

	(void)state;
	for (size_t i = 0; i < n_options; i++) {
		const char *dot = strrchr(options[i].path, '.');
		struct buf line = { 0 };

		buf_printf(&line, " %s:", dot ? dot + 1 : options[i].path);
		buf_append_char(&line, '\0');
		assert_non_null(strstr(text, buf_data(&line)));
		buf_done(&line);
	}
	free(text);
}

static void test_schema(void **state)
{
	static const char *const parts[] = {
		"\"$schema\": \"http://json-schema.org/draft-07/schema#\"",
		"\"max_attempts\": {\n",
		"\"minimum\": 0,\n              \"maximum\": 1000000,\n              \"default\": "
		"8\n",
		"\"default\": \"5m\"",
		"\"pattern\": \"^(0|[1-9][0-9]*)(ms|s|m|h|d)$\"",
		"\"enum\": [\n                \"exec\",\n                \"worker\"\n              "
		"]",
		"\"$ref\": \"#/definitions/consumer\"",
		"\"default\": {}",
		"\"default\": []",
		"\"default\": true",
	};
	char *text = text_of(config_print_schema);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (!strstr(text, parts[i]))
			fail_msg("the schema lacks %s", parts[i]);
	free(text);
}

/* The rows of a mapping stand together: printing opens it once. */
static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_options; i++) {
		const struct option *o = &options[i];

		assert_ptr_equal(option_find(o->scope, slice_of(o->path)), o);
		assert_non_null(o->doc);
		assert_true(o->doc[strlen(o->doc) - 1] == '.');
		assert_true(o->min <= o->max);
		assert_true((o->type == &type_enum) == (o->words != NULL));
		for (const char *dot = strchr(o->path, '.'); dot; dot = strchr(dot + 1, '.'))
			assert_true(option_is_group(o->scope,
			    (struct slice){ o->path, (size_t)(dot - o->path) }));
	}
}

static void test_yaml_texts(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "plain", "plain" },
		{ "/a/b-c_d.e:f@g%h+i=j", "/a/b-c_d.e:f@g%h+i=j" },
		{ "", "\"\"" },
		{ "a b", "\"a b\"" },
		{ "a:", "\"a:\"" },
		{ "-a", "\"-a\"" },
		{ "12", "\"12\"" },
		{ "1e3", "\"1e3\"" },
		{ ".inf", "\".inf\"" },
		{ "No", "\"No\"" },
		{ "null", "\"null\"" },
		{ "y", "\"y\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "a\nb\x7f", "\"a\\x0ab\\x7f\"" },
		{ "\xc2\x85", "\"\\x85\"" },
		{ "\xe2\x80\xa8\xef\xbb\xbf", "\"\\u2028\\ufeff\"" },
		{ "gr\xc3\xbcn", "\"gr\xc3\xbcn\"" },
		{ "\xf0\x9f\x98\x80", "\"\xf0\x9f\x98\x80\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got = { 0 };

		yamltext_string(&got, rows[i].text);
		buf_append_char(&got, '\0');
		assert_string_equal(buf_data(&got), rows[i].want);
		buf_done(&got);
	}
}

static void test_units(void **state)
{
	static const struct {
		uint64_t value;
		const char *duration, *size;
	} rows[] = {
		{ 0, "0s", "0" },
		{ 1, "1ms", "1" },
		{ 1024, "1024ms", "1KiB" },
		{ 1500, "1500ms", "1500" },
		{ 60000, "1m", "60000" },
		{ 90000, "90s", "90000" },
		{ 86400000, "1d", "84375KiB" },
		{ 1073741824, "1073741824ms", "1GiB" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got = { 0 };

		yamltext_duration(&got, rows[i].value);
		buf_append_char(&got, ' ');
		yamltext_size(&got, rows[i].value);
		buf_append_char(&got, '\0');
		assert_memory_equal(buf_data(&got), rows[i].duration, strlen(rows[i].duration));
		assert_string_equal(strchr(buf_data(&got), ' ') + 1, rows[i].size);
		buf_done(&got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_long_names_are_read_back),
		cmocka_unit_test(test_secrets_are_hidden),
		cmocka_unit_test(test_effective_values_are_shown),
		cmocka_unit_test(test_reference_file),
		cmocka_unit_test(test_reference_says_the_defaults),
		cmocka_unit_test(test_reference_names_every_option),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_yaml_texts),
		cmocka_unit_test(test_units),
	};

	unsetenv("RUNTIME_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
