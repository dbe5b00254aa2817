/* SPDX-License-Identifier: MIT */
/*
 * Names of streams, with numeric ranges as in a shell: "events:{0..15}" stands for sixteen names.
 * Every other brace is Redis's own, a hash tag, and stays.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/types.h"
#include "config/yamltext.h"

static const char expected_stream[] = "the name of a stream";

struct range {
	const char *start, *end; /* of its text: from the brace on, to behind the other */
	long first, last;
	int width; /* "{08..10}": padded with zeros to so many characters */
};

enum { MAX_DIGITS = 9 }; /* fits a long of 32 bits; more is never a number of streams */

/* Reads "-12" and moves *p behind it; false when there is no number. */
static bool take_number(const char **p, long *ret_number, bool *padded)
{
	const char *digits = *p + (**p == '-');
	size_t len = strspn(digits, "0123456789");

	if (!len || len > MAX_DIGITS)
		return false;
	*ret_number = strtol(*p, NULL, 10);
	*padded = *padded || (*digits == '0' && len > 1);
	*p = digits + len;
	return true;
}

/* As in a shell, one padded end pads all: "{8..010}" is 008, 009, 010. */
static bool range_at(const char *brace, struct range *ret_range)
{
	struct range r = { .start = brace };
	const char *p = brace + 1;
	int first_width, last_width;
	bool padded = false;

	if (!take_number(&p, &r.first, &padded) || strncmp(p, "..", 2) != 0)
		return false;
	first_width = (int)(p - brace) - 1;
	p += 2;
	if (!take_number(&p, &r.last, &padded) || *p != '}')
		return false;
	r.end = p + 1;
	last_width = (int)(p - brace) - first_width - 3;
	if (padded)
		r.width = first_width > last_width ? first_width : last_width;
	*ret_range = r;
	return true;
}

static bool find_range(const char *text, struct range *ret_range)
{
	for (const char *p = strchr(text, '{'); p; p = strchr(p + 1, '{')) {
		if (range_at(p, ret_range))
			return true;
	}
	return false;
}

static const char *why_bad(const char *name)
{
	struct range unused;

	if (strlen(name) > STREAM_MAX_BYTES)
		return "expected the name of a stream of at most 1024 bytes";
	if (find_range(name, &unused))
		return "ranges in braces cannot be nested";
	return NULL;
}

/* Takes the name over; false after an error, which all names of one range would share. */
static bool store_name(struct value *v, char *name)
{
	const char *why = why_bad(name);

	if (!why && value_charge(v)) {
		string_list_add(v->dest, name);
		return true;
	}
	if (why)
		value_error(v, v->node->at, "%s", why);
	free(name);
	return false;
}

/* `done` is the beginning of the name, with its ranges replaced; `rest` the text behind. */
static bool expand(struct value *v, const char *done, const char *rest)
{
	bool going_on = true;
	struct range r;
	long step, i;

	if (!find_range(rest, &r))
		return store_name(v, xasprintf("%s%s", done, rest));
	step = r.first <= r.last ? 1 : -1;
	for (i = r.first; going_on && i != r.last + step; i += step) {
		char *longer =
		    xasprintf("%s%.*s%0*ld", done, (int)(r.start - rest), rest, r.width, i);

		going_on = expand(v, longer, r.end);
		free(longer);
	}
	return going_on;
}

static void read_name(struct value *v)
{
	const char *text = value_text(v, v->node, expected_stream);

	/* Before expanding: each range of a long text would copy it again. */
	if (text && strlen(text) > STREAM_MAX_BYTES)
		value_error(v, v->node->at, "%s", why_bad(text));
	else if (text)
		expand(v, "", text);
}

static void read_stream(struct value *v)
{
	string_list_done(v->dest);
	read_name(v);
}

static void read_streams(struct value *v)
{
	string_list_done(v->dest);
	if (v->node->kind == YNODE_SCALAR) {
		read_name(v);
		return;
	}
	if (v->node->kind != YNODE_LIST || !v->node->len) {
		value_expected(v, v->node, "a list of names of streams");
		return;
	}
	for (size_t i = 0; i < v->node->len; i++) {
		struct value item = value_item(v, i);

		read_name(&item);
		value_item_done(&item);
	}
}

/* `streams` prints the list, however it was given. */
static bool print_nothing(const struct option *o, const void *value, struct buf *to)
{
	(void)o;
	(void)value;
	(void)to;
	return false;
}

static bool print_streams(const struct option *o, const void *value, struct buf *to)
{
	(void)o;
	yamltext_list(to, value);
	return true;
}

static void schema_stream(const struct option *o, struct json *j)
{
	(void)o;
	schema_scalar(j);
}

static void schema_streams(const struct option *o, struct json *j)
{
	(void)o;
	json_key(j, "type");
	json_array_begin(j);
	json_text(j, "array");
	json_text(j, "string");
	json_text(j, "number");
	json_text(j, "boolean");
	json_array_end(j);
	json_key(j, "minItems");
	json_u64(j, 1);
	json_key(j, "items");
	json_object_begin(j);
	schema_scalar(j);
	json_object_end(j);
}

const struct option_type type_stream = {
	.read = read_stream,
	.print = print_nothing,
	.schema = schema_stream,
	.done = string_list_done,
};

const struct option_type type_streams = {
	.read = read_streams,
	.print = print_streams,
	.schema = schema_streams,
	.done = string_list_done,
};
