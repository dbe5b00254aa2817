/* SPDX-License-Identifier: MIT */
#include "core/guardkey.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "core/slot.h"

/* ---- the pattern ---- */

enum token_kind {
	TOKEN_END,
	TOKEN_BAD,
	TOKEN_TEXT,
	TOKEN_STREAM,
	TOKEN_STREAM_TAG,
	TOKEN_GROUP,
	TOKEN_ID,
	TOKEN_FIELD,
};

struct token {
	enum token_kind kind;
	struct slice text; /* of TEXT; the name of FIELD */
};

static struct token take(const char **at, size_t len, enum token_kind kind)
{
	struct token t = { .kind = kind, .text = { *at, len } };

	*at += len;
	return t;
}

static struct token take_field(const char **at)
{
	const char *close = strchr(*at, '}');
	struct token t = { .kind = TOKEN_BAD };

	if (strncmp(*at, "%f{", 3) != 0 || !close || close == *at + 3)
		return t;
	t.kind = TOKEN_FIELD;
	t.text = (struct slice){ *at + 3, (size_t)(close - *at) - 3 };
	*at = close + 1;
	return t;
}

static struct token take_percent(const char **at)
{
	switch ((*at)[1]) {
	case 's':
		return take(at, 2, TOKEN_STREAM);
	case 'g':
		return take(at, 2, TOKEN_GROUP);
	case 'i':
		return take(at, 2, TOKEN_ID);
	case 'f':
		return take_field(at);
	case '%':
		++*at;
		return take(at, 1, TOKEN_TEXT);
	default:
		return (struct token){ .kind = TOKEN_BAD };
	}
}

static struct token take_token(const char **at)
{
	if (!**at)
		return (struct token){ .kind = TOKEN_END };
	if (strncmp(*at, "{%s}", 4) == 0)
		return take(at, 4, TOKEN_STREAM_TAG);
	if (**at == '%')
		return take_percent(at);
	return take(at, 1 + strcspn(*at + 1, "{%"), TOKEN_TEXT);
}

/* Whether a token of this kind comes before the end, or before what is bad. */
static bool holds(const char *pattern, enum token_kind kind)
{
	struct token t;

	do
		t = take_token(&pattern);
	while (t.kind != kind && t.kind != TOKEN_END && t.kind != TOKEN_BAD);
	return t.kind == kind;
}

const char *guardkey_why_bad(const char *pattern)
{
	if (holds(pattern, TOKEN_BAD))
		return "only %s, %g, %i, %f{NAME} and %% after a percent sign";
	if (!holds(pattern, TOKEN_ID) && !holds(pattern, TOKEN_FIELD))
		return "%i or %f{NAME}, so that entries have keys of their own";
	return NULL;
}

bool guardkey_names_group(const char *pattern)
{
	return holds(pattern, TOKEN_GROUP);
}

/* ---- compiled ---- */

/* What varies, and the text before it. */
struct part {
	size_t text_at, text_len; /* in the texts */
	enum token_kind kind;     /* TOKEN_ID or TOKEN_FIELD; TOKEN_END: the last part */
	char *field;
	size_t field_len;
};

struct guardkey {
	char *texts;
	size_t texts_len;
	struct part *parts;
	size_t n_parts, n_fields;
};

static void add_part(struct guardkey *k, const struct token *t, size_t texts_len)
{
	const struct part *before = k->n_parts ? &k->parts[k->n_parts - 1] : NULL;
	size_t text_at = before ? before->text_at + before->text_len : 0;
	struct part *p;

	k->parts = xreallocarray(k->parts, k->n_parts + 1, sizeof(*k->parts));
	p = &k->parts[k->n_parts++];
	*p = (struct part){ .kind = t->kind, .text_at = text_at, .text_len = texts_len - text_at };
	if (t->kind != TOKEN_FIELD)
		return;
	p->field = xstrndup(t->text.data, t->text.len);
	p->field_len = t->text.len;
	k->n_fields++;
}

static void append_tag(struct buf *to, const char *stream)
{
	if (slot_key_has_tag(slice_of(stream)))
		buf_append_text(to, stream);
	else
		buf_printf(to, "{%s}", stream);
}

struct guardkey *guardkey_new(const char *pattern, const char *stream, const char *group)
{
	struct guardkey *k = xcalloc(1, sizeof(*k));
	struct buf texts = { 0 };
	struct token t;

	do {
		t = take_token(&pattern);
		if (t.kind == TOKEN_TEXT)
			buf_append(&texts, t.text.data, t.text.len);
		else if (t.kind == TOKEN_STREAM)
			buf_append_text(&texts, stream);
		else if (t.kind == TOKEN_STREAM_TAG)
			append_tag(&texts, stream);
		else if (t.kind == TOKEN_GROUP)
			buf_append_text(&texts, group);
		else
			add_part(k, &t, buf_len(&texts));
	} while (t.kind != TOKEN_END && t.kind != TOKEN_BAD);
	k->texts_len = buf_len(&texts);
	k->texts = buf_take_text(&texts);
	return k;
}

void guardkey_free(struct guardkey *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n_parts; i++)
		free(k->parts[i].field);
	free(k->parts);
	free(k->texts);
	free(k);
}

bool guardkey_needs_fields(const struct guardkey *k)
{
	return k->n_fields > 0;
}

size_t guardkey_fixed_bytes(const struct guardkey *k)
{
	size_t n_ids = k->n_parts - 1 - k->n_fields;

	return k->texts_len + n_ids * (ENTRYID_TEXT_SIZE - 1);
}

char *guardkey_prefix(const struct guardkey *k)
{
	return xstrndup(k->texts, k->parts[0].text_len);
}

/* The text that all keys begin with; ids, which hold no braces, are a NUL in it. */
static void append_beginning(const struct guardkey *k, struct buf *to)
{
	for (size_t i = 0; i < k->n_parts; i++) {
		const struct part *p = &k->parts[i];

		buf_append(to, k->texts + p->text_at, p->text_len);
		if (p->kind != TOKEN_ID)
			return;
		buf_append_char(to, '\0');
	}
}

bool guardkey_is_in_slot_of(const struct guardkey *k, const char *stream)
{
	struct buf beginning = { 0 };
	struct slice tag = { NULL, 0 };
	bool same;

	append_beginning(k, &beginning);
	if (buf_len(&beginning))
		tag = slot_tag(buf_slice(&beginning));
	same = tag.len && !memchr(tag.data, '\0', tag.len) &&
	       slot_of_key(tag) == slot_of_key(slice_of(stream));
	buf_done(&beginning);
	return same;
}

/* ---- keys ---- */

/* False, and nothing, where there is no room. */
static bool put(char *out, size_t *len, struct slice text)
{
	if (text.len > GUARDKEY_MAX_BYTES - *len)
		return false;
	if (text.len)
		memcpy(out + *len, text.data, text.len);
	*len += text.len;
	return true;
}

static bool put_field(const struct part *p, const struct fields *fields, char *out, size_t *len)
{
	const struct slice *value = fields_get(fields, (struct slice){ p->field, p->field_len });

	return value && value->len && put(out, len, *value);
}

static bool put_id(struct entryid id, char *out, size_t *len)
{
	char text[ENTRYID_TEXT_SIZE];
	size_t text_len = entryid_format(id, text);

	return put(out, len, (struct slice){ text, text_len });
}

size_t guardkey_write(const struct guardkey *k, struct entryid id, const struct fields *fields,
    char out[GUARDKEY_MAX_BYTES])
{
	size_t len = 0;

	for (size_t i = 0; i < k->n_parts; i++) {
		const struct part *p = &k->parts[i];

		if (!put(out, &len, (struct slice){ k->texts + p->text_at, p->text_len }))
			return 0;
		if (p->kind == TOKEN_ID && !put_id(id, out, &len))
			return 0;
		if (p->kind == TOKEN_FIELD && !put_field(p, fields, out, &len))
			return 0;
	}
	return len;
}
