/* SPDX-License-Identifier: MIT */
/*
 * Nothing is guessed: a number, a null or a name that comes twice in an object would be stored as
 * something else than what was written.
 */
#include "ctl/entryjson.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"
#include "core/entryid.h"

static const char value_forms[] = "a string, {\"base64\": ...}, or a list of these";

/* ---- what is wrong */

static const char *kind_of(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		break;
	}
	return "null";
}

static int expected(struct entryjson *e, const char *what, const json_t *got)
{
	buf_printf(&e->why, "expected %s, got %s", what, kind_of(got));
	return -EINVAL;
}

/* Says which field it is about. */
static int within(struct entryjson *e, const char *name, int result)
{
	if (result) {
		buf_append_text(&e->why, " in \"");
		text_append_printable(&e->why, slice_of(name));
		buf_append_char(&e->why, '"');
	}
	return result;
}

const char *entryjson_why(struct entryjson *e)
{
	buf_append_char(&e->why, '\0');
	return buf_data(&e->why);
}

/* ---- bytes */

static void push(struct entryjson *e, struct slice s)
{
	if (e->n == e->cap) {
		e->cap = e->cap ? 2 * e->cap : 32;
		e->slices = xreallocarray(e->slices, e->cap, sizeof(*e->slices));
	}
	e->slices[e->n++] = s;
}

static const json_t *base64_in(const json_t *value)
{
	const json_t *text = json_object_get(value, "base64");

	return json_object_size(value) == 1 && json_is_string(text) ? text : NULL;
}

static struct slice slice_of_string(const json_t *s)
{
	return (struct slice){ json_string_value(s), json_string_length(s) };
}

/* A string, or {"base64": ...}: into ret_bytes. */
static int read_bytes(struct entryjson *e, const json_t *value, const char *forms,
    struct slice *ret_bytes)
{
	const json_t *base64 = base64_in(value);
	size_t at = buf_len(&e->bytes);

	if (json_is_string(value)) {
		*ret_bytes = slice_of_string(value);
		return 0;
	}
	if (!base64)
		return expected(e, forms, value);
	if (text_decode_base64(&e->bytes, slice_of_string(base64))) {
		buf_append_text(&e->why, "expected base64 with padding");
		return -EINVAL;
	}
	*ret_bytes = (struct slice){ buf_data(&e->bytes) + at, buf_len(&e->bytes) - at };
	return 0;
}

/* ---- the forms */

static int read_pair(struct entryjson *e, struct slice name, const json_t *value)
{
	struct slice bytes;
	int r = read_bytes(e, value, value_forms, &bytes);

	if (r)
		return r;
	push(e, name);
	push(e, bytes);
	return 0;
}

static int read_values(struct entryjson *e, struct slice name, const json_t *values)
{
	int r = 0;

	if (!json_array_size(values)) {
		buf_append_text(&e->why, "expected at least one value");
		return -EINVAL;
	}
	for (size_t i = 0; i < json_array_size(values) && !r; i++)
		r = read_pair(e, name, json_array_get(values, i));
	return r;
}

static int read_object(struct entryjson *e, json_t *object)
{
	const char *name;
	json_t *value;
	int r;

	json_object_foreach(object, name, value)
	{
		r = json_is_array(value) ? read_values(e, slice_of(name), value)
		                         : read_pair(e, slice_of(name), value);
		if (r)
			return within(e, name, r);
	}
	return 0;
}

static int read_pairs(struct entryjson *e, const json_t *pairs)
{
	struct slice name;
	int r = 0;

	for (size_t i = 0; i < json_array_size(pairs) && !r; i++) {
		const json_t *pair = json_array_get(pairs, i);

		if (json_array_size(pair) != 2)
			return within(e, "pairs", expected(e, "lists of a name and a value", pair));
		r = read_bytes(e, json_array_get(pair, 0), "a string or {\"base64\": ...}", &name);
		if (!r)
			r = read_pair(e, name, json_array_get(pair, 1));
		r = within(e, "pairs", r);
	}
	return r;
}

static bool has_id(const json_t *line)
{
	const json_t *id = json_object_get(line, "id");
	struct entryid unused;

	return json_is_string(id) && entryid_parse(slice_of_string(id), &unused) == 0;
}

/* A field of the name "fields" or "pairs" has a value of another form; but for that of bytes, which
 * an entry with the one field "base64" looks like: that one has an id beside it. */
static int read_line(struct entryjson *e)
{
	json_t *fields = json_object_get(e->root, "fields");
	const json_t *pairs = json_object_get(e->root, "pairs");

	if (!json_is_object(e->root))
		return expected(e, "an object", e->root);
	if (json_is_object(fields) && (!base64_in(fields) || has_id(e->root)))
		return read_object(e, fields);
	if (json_is_array(json_array_get(pairs, 0)))
		return read_pairs(e, pairs);
	return read_object(e, e->root);
}

static void forget(struct entryjson *e)
{
	json_decref(e->root);
	e->root = NULL;
	e->n = 0;
	buf_clear(&e->bytes);
	buf_clear(&e->why);
}

int entryjson_read(struct entryjson *e, struct slice line)
{
	json_error_t error;
	int r;

	forget(e);
	e->root = json_loadb(line.data, line.len,
	    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!e->root) {
		buf_append_text(&e->why, "expected an object: ");
		text_append_printable(&e->why, slice_of(error.text));
		return -EINVAL;
	}
	/* Slices point into it: it must not move. Base64 is longer than what it stands for. */
	buf_reserve(&e->bytes, line.len);
	r = read_line(e);
	if (!r && !e->n) {
		buf_append_text(&e->why, "expected at least one field");
		r = -EINVAL;
	}
	e->fields = (struct fields){ .n_pairs = (uint32_t)(e->n / 2), .slices = e->slices };
	return r;
}

void entryjson_done(struct entryjson *e)
{
	forget(e);
	free(e->slices);
	buf_done(&e->bytes);
	buf_done(&e->why);
}
