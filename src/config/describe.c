/* SPDX-License-Identifier: MIT */
/* The option table for editors (JSON Schema) and for people (the reference file). */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/config.h"
#include "config/outline.h"
#include "config/types.h"
#include "config/yamltext.h"

/* ---- what a row says about itself, in words */

static void append_range(struct buf *to, const struct option *o)
{
	if (o->type == &type_number || o->type == &type_decimal)
		buf_printf(to, " %llu to %llu.", (unsigned long long)o->min,
		    (unsigned long long)o->max);
	if (o->type == &type_duration) {
		buf_append_char(to, ' ');
		yamltext_duration(to, o->min);
		buf_append_text(to, " to ");
		yamltext_duration(to, o->max);
		buf_append_char(to, '.');
	}
	if (o->type == &type_size) {
		buf_append_text(to, " At most ");
		yamltext_size(to, o->max);
		buf_append_char(to, '.');
	}
}

static void append_words(struct buf *to, const struct option *o)
{
	if (!o->words)
		return;
	buf_append_text(to, " One of");
	for (size_t i = 0; o->words[i]; i++)
		buf_printf(to, "%s %s", i ? "," : "", o->words[i]);
	buf_append_char(to, '.');
}

static void append_doc(struct buf *to, const struct option *o)
{
	buf_append_text(to, o->doc);
	append_range(to, o);
	append_words(to, o);
	if (o->fallback_note)
		buf_printf(to, " Default: %s.", o->fallback_note);
	if (o->required)
		buf_append_text(to, " Required.");
	if (o->unsupported)
		buf_append_text(to, " Not supported by this build.");
}

static char *doc_of(const struct option *o)
{
	struct buf text = { 0 };

	append_doc(&text, o);
	return buf_take_text(&text);
}

/* ---- JSON Schema */

static void write_option(struct json *j, const struct option *o)
{
	char *doc = doc_of(o);

	json_object_begin(j);
	json_key(j, "description");
	json_text(j, doc);
	o->type->schema(o, j);
	if (o->fallback) {
		json_key(j, "default");
		if (o->type->schema_default)
			o->type->schema_default(o, j);
		else
			json_text(j, o->fallback);
	}
	json_object_end(j);
	free(doc);
}

static void open_mapping(struct json *j)
{
	json_object_begin(j);
	json_key(j, "type");
	json_text(j, "object");
}

static void ignore_x_keys(struct json *j)
{
	json_key(j, "patternProperties");
	json_object_begin(j);
	json_key(j, "^x-");
	json_object_begin(j);
	json_object_end(j);
	json_object_end(j);
	json_key(j, "additionalProperties");
	json_bool(j, false);
}

/* Writes the mapping whose options begin with the first `prefix_len` bytes of the path of row
 * `first`; returns the row behind its last. */
static size_t write_mapping(struct json *j, size_t first, size_t prefix_len)
{
	const struct option *o = &options[first];
	const char *prefix = o->path;
	size_t i = first;

	open_mapping(j);
	ignore_x_keys(j);
	json_key(j, "properties");
	json_object_begin(j);
	while (i < n_options && options[i].scope == o->scope &&
	       strncmp(options[i].path, prefix, prefix_len) == 0) {
		const char *name = options[i].path + prefix_len;
		size_t len = strcspn(name, ".");
		char *key = xstrndup(name, len);

		json_key(j, key);
		free(key);
		if (name[len])
			i = write_mapping(j, i, prefix_len + len + 1);
		else
			write_option(j, &options[i++]);
	}
	json_object_end(j);
	json_object_end(j);
	return i;
}

static void write_section(struct json *j, enum option_scope scope)
{
	size_t first = 0;

	while (options[first].scope != scope)
		first++;
	write_mapping(j, first, 0);
}

static void write_reference(struct json *j, const char *key)
{
	json_key(j, key);
	json_object_begin(j);
	json_key(j, "$ref");
	json_text(j, "#/definitions/consumer");
	json_object_end(j);
}

static void write_consumers(struct json *j)
{
	json_key(j, "consumers");
	open_mapping(j);
	json_key(j, "minProperties");
	json_u64(j, 1);
	json_key(j, "patternProperties");
	json_object_begin(j);
	json_key(j, "^x-");
	json_object_begin(j);
	json_object_end(j);
	write_reference(j, "^(?!x-)[A-Za-z0-9_.-]+$");
	json_object_end(j);
	json_key(j, "additionalProperties");
	json_bool(j, false);
	json_object_end(j);
}

static void write_root(struct json *j)
{
	open_mapping(j);
	json_key(j, "$schema");
	json_text(j, "http://json-schema.org/draft-07/schema#");
	json_key(j, "title");
	json_text(j, "sluiced.yaml");
	ignore_x_keys(j);
	json_key(j, "required");
	json_array_begin(j);
	json_text(j, "consumers");
	json_array_end(j);
	json_key(j, "properties");
	json_object_begin(j);
	json_key(j, "redis");
	write_section(j, SCOPE_REDIS);
	json_key(j, "daemon");
	write_section(j, SCOPE_DAEMON);
	write_reference(j, "defaults");
	write_consumers(j);
	json_object_end(j);
	json_key(j, "definitions");
	json_object_begin(j);
	json_key(j, "consumer");
	write_section(j, SCOPE_CONSUMER);
	json_object_end(j);
	json_object_end(j);
}

static void write_out(struct buf *text, FILE *to)
{
	fwrite(buf_data(text), 1, buf_len(text), to);
	buf_done(text);
}

void config_print_schema(FILE *to)
{
	struct buf text = { 0 };
	struct json j = { .to = &text, .pretty = true };

	write_root(&j);
	buf_append_char(&text, '\n');
	write_out(&text, to);
}

/* ---- the reference file */

enum { WRAP_COLUMN = 96 };

static size_t line_start(const struct buf *b)
{
	size_t i = buf_len(b);

	while (i && buf_data(b)[i - 1] != '\n')
		i--;
	return i;
}

/* Words of the text in comment lines at the depth of the option. */
static void write_comment(struct outline *outline, const char *path, const char *text)
{
	struct buf *to = outline->to;

	outline_indent(outline, path);
	buf_append_char(to, '#');
	while (*text) {
		size_t len = strcspn(text, " ");

		if (buf_len(to) - line_start(to) + len + 1 > WRAP_COLUMN) {
			buf_append_char(to, '\n');
			outline_indent(outline, path);
			buf_append_char(to, '#');
		}
		buf_printf(to, " %.*s", (int)len, text);
		text += len + (text[len] == ' ');
	}
	buf_append_char(to, '\n');
}

static const char *last_name(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

static void write_reference_value(struct outline *outline, const struct option *o)
{
	outline_indent(outline, o->path);
	buf_printf(outline->to, "%s:", last_name(o->path));
	if (o->fallback)
		buf_append_char(outline->to, ' ');
	/* A plain scalar cannot begin with a percent sign or a brace. */
	if (o->fallback && strchr(o->fallback, '%'))
		yamltext_string(outline->to, o->fallback);
	else if (o->fallback)
		buf_append_text(outline->to, o->fallback);
	buf_append_char(outline->to, '\n');
}

static void write_reference_option(struct outline *outline, const struct option *o)
{
	char *doc = doc_of(o);

	outline_open(outline, o->path);
	write_comment(outline, o->path, doc);
	write_reference_value(outline, o);
	free(doc);
}

static void write_reference_section(struct buf *to, const char *key, enum option_scope scope)
{
	struct outline outline = { .to = to, .margin = "#", .depth = 1 };

	buf_printf(to, "\n#%s:\n", key);
	for (size_t i = 0; i < n_options; i++) {
		if (options[i].scope == scope)
			write_reference_option(&outline, &options[i]);
	}
}

static const char reference_head[] =
    "# The configuration of sluiced: every key, with its default. sluiced.yaml(5) explains more.\n"
    "#\n"
    "# All of it is commented out but for one consumer at the end. To set a key, remove the first "
    "#\n"
    "# of its line and of the lines of the mappings around it. `sluiced --check` tells what is\n"
    "# wrong with a file, `sluiced --print-config` what it comes to.\n";

static const char reference_consumer[] =
    "\n"
    "consumers:\n"
    "  # The consumer's name: in the log, in metrics and for sluicectl. Everything above that "
    "stands\n"
    "  # below `defaults` can stand here too, and wins over it.\n"
    "  example:\n"
    "    stream: orders\n"
    "    group: example\n"
    "    handler:\n"
    "      command: [/bin/cat]\n";

void config_print_reference(FILE *to)
{
	struct buf text = { 0 };

	buf_append_text(&text, reference_head);
	write_reference_section(&text, "redis", SCOPE_REDIS);
	write_reference_section(&text, "daemon", SCOPE_DAEMON);
	write_reference_section(&text, "defaults", SCOPE_CONSUMER);
	buf_append_text(&text, reference_consumer);
	write_out(&text, to);
}
