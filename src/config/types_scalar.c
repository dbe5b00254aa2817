/* SPDX-License-Identifier: MIT */
/* Numbers, words and texts: one scalar each. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "config/types.h"
#include "config/yamltext.h"

/* ---- whole numbers, durations, sizes */

typedef int (*parse_fn)(struct slice text, uint64_t *ret_value);
typedef void (*append_fn)(struct buf *to, uint64_t value);

static void append_number(struct buf *to, uint64_t value)
{
	buf_printf(to, "%llu", (unsigned long long)value);
}

static void report_range(const struct value *v, const char *what, append_fn append)
{
	struct buf expected = { 0 };

	buf_printf(&expected, "%s from ", what);
	append(&expected, v->option->min);
	buf_append_text(&expected, " to ");
	append(&expected, v->option->max);
	buf_append_char(&expected, '\0');
	value_expected(v, v->node, buf_data(&expected));
	buf_done(&expected);
}

static void store_in_range(struct value *v, int err, uint64_t number, const char *what,
    append_fn append)
{
	if (err || !option_in_range(v->option, number))
		report_range(v, what, append);
	else
		*(uint64_t *)v->dest = number;
}

static void read_number(struct value *v)
{
	const char *text = value_plain(v, v->node, "a whole number");
	uint64_t number = 0;
	int err;

	if (!text)
		return;
	err = parse_u64(slice_of(text), &number);
	store_in_range(v, err, number, "a whole number", append_number);
}

static void read_duration(struct value *v)
{
	static const char expected[] = "a duration such as \"500ms\" or \"5m\"";
	const char *text = value_text(v, v->node, expected);
	uint64_t ms = 0;
	int err;

	if (!text)
		return;
	err = parse_duration_ms(slice_of(text), &ms);
	if (err == -EINVAL)
		value_expected(v, v->node, expected);
	else
		store_in_range(v, err, ms, "a duration", yamltext_duration);
}

static void read_size(struct value *v)
{
	static const char expected[] = "a size such as \"65536\" or \"16MiB\"";
	const char *text = value_text(v, v->node, expected);
	uint64_t bytes = 0;
	int err;

	if (!text)
		return;
	err = parse_size(slice_of(text), &bytes);
	if (err == -EINVAL)
		value_expected(v, v->node, expected);
	else
		store_in_range(v, err, bytes, "a size", yamltext_size);
}

/* 0 is "not set" for an option whose range leaves it out. */
static bool print_with(const struct option *o, const void *value, struct buf *to, append_fn append)
{
	uint64_t number = *(const uint64_t *)value;

	if (!option_in_range(o, number))
		return false;
	append(to, number);
	return true;
}

static bool print_number(const struct option *o, const void *value, struct buf *to)
{
	return print_with(o, value, to, append_number);
}

static bool print_duration(const struct option *o, const void *value, struct buf *to)
{
	return print_with(o, value, to, yamltext_duration);
}

static bool print_size(const struct option *o, const void *value, struct buf *to)
{
	return print_with(o, value, to, yamltext_size);
}

static void schema_number(const struct option *o, struct json *j)
{
	json_key(j, "type");
	json_text(j, "integer");
	json_key(j, "minimum");
	json_u64(j, o->min);
	json_key(j, "maximum");
	json_u64(j, o->max);
}

static void schema_duration(const struct option *o, struct json *j)
{
	(void)o;
	json_key(j, "type");
	json_text(j, "string");
	json_key(j, "pattern");
	json_text(j, "^(0|[1-9][0-9]*)(ms|s|m|h|d)$");
}

static void schema_size(const struct option *o, struct json *j)
{
	json_key(j, "type");
	json_array_begin(j);
	json_text(j, "integer");
	json_text(j, "string");
	json_array_end(j);
	json_key(j, "minimum");
	json_u64(j, o->min);
	json_key(j, "maximum");
	json_u64(j, o->max);
	json_key(j, "pattern");
	json_text(j, "^(0|[1-9][0-9]*)(KiB|MiB|GiB)?$");
}

static void number_default(const struct option *o, struct json *j)
{
	uint64_t number;

	if (parse_u64(slice_of(o->fallback), &number) == 0)
		json_u64(j, number);
	else
		json_null(j);
}

const struct option_type type_number = {
	.read = read_number,
	.print = print_number,
	.schema = schema_number,
	.schema_default = number_default,
};

const struct option_type type_duration = {
	.read = read_duration,
	.print = print_duration,
	.schema = schema_duration,
};

const struct option_type type_size = {
	.read = read_size,
	.print = print_size,
	.schema = schema_size,
};

/* ---- decimals */

static void read_decimal(struct value *v)
{
	const char *text = value_plain(v, v->node, "a number");
	double number;

	if (!text)
		return;
	if (parse_decimal(slice_of(text), &number) != 0 || number < (double)v->option->min ||
	    number > (double)v->option->max)
		report_range(v, "a number", append_number);
	else
		*(double *)v->dest = number;
}

/* 15 digits are what parse_decimal takes, so this reads back exactly. */
static bool print_decimal(const struct option *o, const void *value, struct buf *to)
{
	(void)o;
	buf_printf(to, "%.15g", *(const double *)value);
	return true;
}

static void schema_decimal(const struct option *o, struct json *j)
{
	json_key(j, "type");
	json_text(j, "number");
	json_key(j, "minimum");
	json_u64(j, o->min);
	json_key(j, "maximum");
	json_u64(j, o->max);
}

const struct option_type type_decimal = {
	.read = read_decimal,
	.print = print_decimal,
	.schema = schema_decimal,
	.schema_default = number_default,
};

/* ---- booleans, enums */

static void read_bool(struct value *v)
{
	const char *text = value_plain(v, v->node, "true or false");

	if (text && parse_bool(slice_of(text), v->dest) != 0)
		value_expected(v, v->node, "true or false");
}

static bool print_bool(const struct option *o, const void *value, struct buf *to)
{
	(void)o;
	buf_append_text(to, *(const bool *)value ? "true" : "false");
	return true;
}

static void schema_bool(const struct option *o, struct json *j)
{
	(void)o;
	json_key(j, "type");
	json_text(j, "boolean");
}

static void bool_default(const struct option *o, struct json *j)
{
	json_bool(j, strcmp(o->fallback, "true") == 0);
}

const struct option_type type_bool = {
	.read = read_bool,
	.print = print_bool,
	.schema = schema_bool,
	.schema_default = bool_default,
};

static char *list_words(const char *const *words)
{
	struct buf text = { 0 };

	for (size_t i = 0; words[i]; i++) {
		if (i)
			buf_append_text(&text, words[i + 1] ? ", " : " or ");
		buf_append_text(&text, words[i]);
	}
	return buf_take_text(&text);
}

static void read_enum(struct value *v)
{
	const char *const *words = v->option->words;
	char *expected = list_words(words);
	const char *text = value_text(v, v->node, expected);
	int i = 0;

	if (text) {
		while (words[i] && strcmp(words[i], text) != 0)
			i++;
		if (words[i])
			*(int *)v->dest = i;
		else
			value_expected(v, v->node, expected);
	}
	free(expected);
}

static bool print_enum(const struct option *o, const void *value, struct buf *to)
{
	buf_append_text(to, o->words[*(const int *)value]);
	return true;
}

static void schema_enum(const struct option *o, struct json *j)
{
	json_key(j, "enum");
	json_array_begin(j);
	for (size_t i = 0; o->words[i]; i++)
		json_text(j, o->words[i]);
	json_array_end(j);
}

const struct option_type type_enum = {
	.read = read_enum,
	.print = print_enum,
	.schema = schema_enum,
};

/* ---- texts */

static void store_text(struct value *v, char *text)
{
	char **dest = v->dest;

	free(*dest);
	*dest = text;
}

static void read_text(struct value *v)
{
	const char *text = value_text(v, v->node, "text");

	if (text)
		store_text(v, xstrdup(text));
}

static void read_secret(struct value *v)
{
	if (v->node->kind == YNODE_SCALAR && *v->node->text)
		store_text(v, xstrdup(v->node->text));
	else
		value_error(v, v->node->at, "expected text");
}

static void read_word(struct value *v)
{
	static const char expected[] = "one word of letters, digits and _.-";
	const char *text = value_text(v, v->node, expected);

	if (text && value_is_word(text))
		store_text(v, xstrdup(text));
	else if (text)
		value_expected(v, v->node, expected);
}

static void read_path(struct value *v)
{
	const char *text = value_text(v, v->node, "a path");

	if (text)
		store_text(v, value_absolute(v, text));
}

static bool print_text(const struct option *o, const void *value, struct buf *to)
{
	const char *text = *(char *const *)value;

	(void)o;
	if (text)
		yamltext_string(to, text);
	return text != NULL;
}

static bool print_secret(const struct option *o, const void *value, struct buf *to)
{
	bool set = *(char *const *)value != NULL;

	(void)o;
	if (set)
		buf_append_text(to, "\"***\"");
	return set;
}

static void schema_text(const struct option *o, struct json *j)
{
	(void)o;
	schema_scalar(j);
}

static void schema_word(const struct option *o, struct json *j)
{
	schema_text(o, j);
	json_key(j, "pattern");
	json_text(j, "^[A-Za-z0-9_.-]+$");
}

static void done_text(void *value)
{
	char **text = value;

	free(*text);
	*text = NULL;
}

static void done_secret(void *value)
{
	char **text = value;

	if (*text)
		explicit_bzero(*text, strlen(*text));
	done_text(value);
}

const struct option_type type_text = {
	.read = read_text,
	.print = print_text,
	.schema = schema_text,
	.done = done_text,
};

const struct option_type type_secret = {
	.read = read_secret,
	.print = print_secret,
	.schema = schema_text,
	.done = done_secret,
};

const struct option_type type_word = {
	.read = read_word,
	.print = print_text,
	.schema = schema_word,
	.done = done_text,
};

const struct option_type type_path = {
	.read = read_path,
	.print = print_text,
	.schema = schema_text,
	.done = done_text,
};
