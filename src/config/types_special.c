/* SPDX-License-Identifier: MIT */
/* Values with a form of their own, each for one option. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "config/types.h"
#include "config/yamltext.h"
#include "core/guardkey.h"
#include "core/verdict.h"

static void schema_text(const struct option *o, struct json *j)
{
	(void)o;
	schema_scalar(j);
}

/* ---- redis.url */

/* A password may stand before the last @, so that part is not repeated in a message. */
static void report_url(const struct value *v, const char *expected)
{
	const char *text = v->node->text, *at = strrchr(text, '@'), *slashes = strstr(text, "://");
	int scheme_len = slashes && slashes < at ? (int)(slashes - text) + 3 : 0;

	if (at)
		value_error(v, v->node->at, "expected %s, got \"%.*s***%s\"", expected, scheme_len,
		    text, at);
	else
		value_expected(v, v->node, expected);
}

static void read_url(struct value *v)
{
	const char *text = value_text(v, v->node, "a URL such as redis://127.0.0.1:6379/0");
	struct redisurl *url = v->dest;
	const char *expected;

	redisurl_done(url);
	if (text && redisurl_parse(text, url, &expected) != 0)
		report_url(v, expected);
}

static bool print_url(const struct option *o, const void *value, struct buf *to)
{
	char *text = redisurl_format(value);

	(void)o;
	yamltext_string(to, text);
	free(text);
	return true;
}

static void schema_url(const struct option *o, struct json *j)
{
	(void)o;
	json_key(j, "type");
	json_text(j, "string");
	json_key(j, "pattern");
	json_text(j, "^(redis|rediss|unix)://");
}

static void done_url(void *value)
{
	redisurl_done(value);
}

const struct option_type type_url = {
	.read = read_url,
	.print = print_url,
	.schema = schema_url,
	.done = done_url,
};

/* ---- the consumer's name in its group */

static void append_host(struct buf *to)
{
	char host[HOST_NAME_MAX + 1] = "";

	if (gethostname(host, sizeof(host) - 1) != 0)
		strcpy(host, "localhost");
	buf_append_text(to, host);
}

/* The letter after a %; false for one that means nothing. */
static bool append_letter(const struct load *load, struct buf *to, char letter)
{
	if (letter == 'H')
		append_host(to);
	else if (letter == 'i')
		buf_append_text(to, load->instance);
	else if (letter == 'n')
		buf_append_text(to, load->consumer);
	else if (letter == '%')
		buf_append_char(to, '%');
	else
		return false;
	return true;
}

static bool expand_name(const struct load *load, const char *template, struct buf *to)
{
	for (; *template; template ++) {
		if (*template != '%')
			buf_append_char(to, *template);
		else if (!append_letter(load, to, *++template))
			return false;
	}
	return true;
}

static void read_consumer_name(struct value *v)
{
	const char *text = value_text(v, v->node, "a name");
	struct buf name = { 0 };
	char **dest = v->dest;

	if (!text)
		return;
	if (expand_name(v->load, text, &name)) {
		free(*dest);
		*dest = xstrndup(buf_data(&name), buf_len(&name));
	} else {
		value_expected(v, v->node, "a name with only %H, %i, %n and %% after a %");
	}
	buf_done(&name);
}

static bool print_consumer_name(const struct option *o, const void *value, struct buf *to)
{
	const char *name = *(char *const *)value;
	struct buf template = { 0 };

	(void)o;
	for (; *name; name++)
		buf_append(&template, *name == '%' ? "%%" : name, *name == '%' ? 2 : 1);
	buf_append_char(&template, '\0');
	yamltext_string(to, buf_data(&template));
	buf_done(&template);
	return true;
}

static void done_name(void *value)
{
	char **name = value;

	free(*name);
	*name = NULL;
}

const struct option_type type_consumer_name = {
	.read = read_consumer_name,
	.print = print_consumer_name,
	.schema = schema_text,
	.done = done_name,
};

/* ---- once.key */

static void read_guard_key(struct value *v)
{
	const char *text = value_text(v, v->node, "a pattern of keys");
	const char *why = text ? guardkey_why_bad(text) : NULL;
	char **dest = v->dest;

	if (why)
		value_expected(v, v->node, why);
	if (!text || why)
		return;
	free(*dest);
	*dest = xstrdup(text);
}

static bool print_guard_key(const struct option *o, const void *value, struct buf *to)
{
	return type_text.print(o, value, to);
}

const struct option_type type_guard_key = {
	.read = read_guard_key,
	.print = print_guard_key,
	.schema = schema_text,
	.done = done_name,
};

/* ---- start */

/* Redis takes an id without its sequence number too. */
static int parse_start_id(const char *text, struct entryid *ret_id)
{
	uint64_t ms;

	if (parse_u64(slice_of(text), &ms) != 0)
		return entryid_parse(slice_of(text), ret_id);
	*ret_id = (struct entryid){ .ms = ms };
	return 0;
}

static void read_start(struct value *v)
{
	static const char expected[] = "beginning, end or the id of an entry";
	const char *text = value_text(v, v->node, expected);
	struct group_start start = { .kind = START_AT_ID };

	if (!text)
		return;
	if (strcmp(text, "beginning") == 0)
		start.kind = START_BEGINNING;
	else if (strcmp(text, "end") == 0)
		start.kind = START_END;
	else if (parse_start_id(text, &start.id) != 0) {
		value_expected(v, v->node, expected);
		return;
	}
	*(struct group_start *)v->dest = start;
}

static bool print_start(const struct option *o, const void *value, struct buf *to)
{
	const struct group_start *start = value;

	(void)o;
	if (start->kind == START_AT_ID)
		yamltext_string(to, entryid_text(start->id).text);
	else
		buf_append_text(to, start->kind == START_END ? "end" : "beginning");
	return true;
}

static void schema_start(const struct option *o, struct json *j)
{
	schema_text(o, j);
	json_key(j, "pattern");
	json_text(j, "^(beginning|end|[0-9]+(-[0-9]+)?)$");
}

const struct option_type type_start = {
	.read = read_start,
	.print = print_start,
	.schema = schema_start,
};

/* ---- handler.stdin */

static void done_stdin(void *value)
{
	struct stdin_settings *s = value;

	free(s->field);
	*s = (struct stdin_settings){ 0 };
}

static void read_stdin(struct value *v)
{
	static const char expected[] = "json, none or \"field NAME\"";
	const char *text = value_text(v, v->node, expected);
	struct stdin_settings *s = v->dest;

	done_stdin(s);
	if (!text || strcmp(text, "json") == 0)
		return;
	if (strcmp(text, "none") == 0)
		s->kind = STDIN_NONE;
	else if (strncmp(text, "field ", 6) == 0 && text[6])
		*s = (struct stdin_settings){ .kind = STDIN_FIELD, .field = xstrdup(text + 6) };
	else
		value_expected(v, v->node, expected);
}

static bool print_stdin(const struct option *o, const void *value, struct buf *to)
{
	const struct stdin_settings *s = value;
	char *text;

	(void)o;
	if (s->kind != STDIN_FIELD) {
		buf_append_text(to, s->kind == STDIN_JSON ? "json" : "none");
		return true;
	}
	text = xasprintf("field %s", s->field);
	yamltext_string(to, text);
	free(text);
	return true;
}

static void schema_stdin(const struct option *o, struct json *j)
{
	(void)o;
	json_key(j, "type");
	json_text(j, "string");
	json_key(j, "pattern");
	json_text(j, "^(json|none|field .+)$");
}

const struct option_type type_stdin = {
	.read = read_stdin,
	.print = print_stdin,
	.schema = schema_stdin,
	.done = done_stdin,
};

/* ---- handler.exit_codes */

static const char *const meaning_words[] = {
	[EXIT_MEANS_OK] = "ok",
	[EXIT_MEANS_RETRY] = "retry",
	[EXIT_MEANS_DEAD] = "dead",
	[EXIT_MEANS_DROP] = "drop",
	[EXIT_MEANS_BROKEN] = "broken",
};

static void init_exit_codes(void *value)
{
	exit_codes_default(value);
}

static void read_meaning(const struct value *v, uint8_t *meaning)
{
	static const char expected[] = "ok, retry, dead, drop or broken";
	const char *text = value_text(v, v->node, expected);

	if (!text)
		return;
	for (size_t i = 0; i < ARRAY_LEN(meaning_words); i++) {
		if (strcmp(meaning_words[i], text) == 0) {
			*meaning = (uint8_t)i;
			return;
		}
	}
	value_expected(v, v->node, expected);
}

static void read_exit_code(struct value *map, size_t i)
{
	const struct ynode *key = map->node->pairs[i].key;
	struct exit_codes *codes = map->dest;
	struct value v = value_pair(map, i);
	uint64_t status;

	if (parse_u64(slice_of(key->text), &status) != 0 || status > 255)
		value_expected(map, key, "an exit status from 0 to 255");
	else
		read_meaning(&v, &codes->meaning[status]);
	value_item_done(&v);
}

static void read_exit_codes(struct value *v)
{
	if (v->node->kind != YNODE_MAP) {
		value_expected(v, v->node, "a mapping such as {3: dead, 4: retry}");
		return;
	}
	for (size_t i = 0; i < v->node->len; i++)
		read_exit_code(v, i);
}

/* `retry` is what most mean; shown are the others, and what the file has changed to it. */
static bool print_exit_codes(const struct option *o, const void *value, struct buf *to)
{
	const struct exit_codes *codes = value;
	struct exit_codes usual;
	const char *separator = "";

	(void)o;
	exit_codes_default(&usual);
	buf_append_char(to, '{');
	for (size_t i = 0; i < ARRAY_LEN(codes->meaning); i++) {
		uint8_t meaning = codes->meaning[i];

		if (meaning == EXIT_MEANS_RETRY && meaning == usual.meaning[i])
			continue;
		buf_printf(to, "%s%zu: %s", separator, i, meaning_words[meaning]);
		separator = ", ";
	}
	buf_append_char(to, '}');
	return true;
}

static void schema_exit_codes(const struct option *o, struct json *j)
{
	(void)o;
	json_key(j, "type");
	json_text(j, "object");
	json_key(j, "patternProperties");
	json_object_begin(j);
	json_key(j, "^([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$");
	json_object_begin(j);
	json_key(j, "enum");
	json_array_begin(j);
	for (size_t i = 0; i < ARRAY_LEN(meaning_words); i++)
		json_text(j, meaning_words[i]);
	json_array_end(j);
	json_object_end(j);
	json_object_end(j);
	json_key(j, "additionalProperties");
	json_bool(j, false);
}

const struct option_type type_exit_codes = {
	.read = read_exit_codes,
	.print = print_exit_codes,
	.schema = schema_exit_codes,
	.init = init_exit_codes,
	.merges = true,
};

/* ---- dead_letter.stream */

static void done_dead_letter(void *value)
{
	struct dead_letter_settings *d = container_of(value, struct dead_letter_settings, stream);

	free(d->stream);
	d->stream = NULL;
	d->off = false;
}

static void read_dead_letter(struct value *v)
{
	struct dead_letter_settings *d = container_of(v->dest, struct dead_letter_settings, stream);
	const char *text = value_text(v, v->node, "the name of a stream, or off");

	done_dead_letter(v->dest);
	if (!text)
		return;
	if (v->node->plain && strcmp(text, "off") == 0)
		d->off = true;
	else
		d->stream = xstrdup(text);
}

static bool print_dead_letter(const struct option *o, const void *value, struct buf *to)
{
	const struct dead_letter_settings *d =
	    (const void *)((const char *)value - offsetof(struct dead_letter_settings, stream));

	(void)o;
	if (d->off)
		buf_append_text(to, "off");
	else if (d->stream)
		yamltext_string(to, d->stream);
	return d->off || d->stream;
}

const struct option_type type_dead_letter = {
	.read = read_dead_letter,
	.print = print_dead_letter,
	.schema = schema_text,
	.done = done_dead_letter,
};
