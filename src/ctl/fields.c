/* SPDX-License-Identifier: MIT */
#include "ctl/fields.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/text.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "handler/fieldsjson.h"

/* ---- out of a reply */

int entryview_read(struct entryview *v, const struct reply *r)
{
	const struct reply *fields;
	size_t n;

	if (reply_entry(r, &v->id, &fields))
		return -EPROTO;
	n = reply_len(fields);
	if (n > v->cap) {
		v->slices = xreallocarray(v->slices, n, sizeof(*v->slices));
		v->cap = n;
	}
	for (size_t i = 0; i < n; i++)
		v->slices[i] = reply_text(reply_at(fields, i));
	v->is_gone = fields->type == REPLY_NIL;
	v->fields = (struct fields){ .n_pairs = (uint32_t)(n / 2), .slices = v->slices };
	return 0;
}

void entryview_done(struct entryview *v)
{
	free(v->slices);
	*v = (struct entryview){ 0 };
}

const struct reply *xinfo_field(const struct reply *row, const char *name)
{
	for (size_t i = 0; i + 1 < reply_len(row); i += 2) {
		if (slice_is(reply_text(reply_at(row, i)), name))
			return reply_at(row, i + 1);
	}
	return NULL;
}

const struct reply *xinfo_named(const struct reply *rows, const char *name)
{
	for (size_t i = 0; i < reply_len(rows); i++) {
		const struct reply *row = reply_at(rows, i);

		if (slice_is(reply_text(xinfo_field(row, "name")), name))
			return row;
	}
	return NULL;
}

/* ---- for people */

static void print_styled(struct buf *scratch, enum style style, struct slice text)
{
	buf_clear(scratch);
	text_append_printable(scratch, text);
	printf("%s%.*s%s", style_begin(style), (int)buf_len(scratch), buf_data(scratch),
	    style_end(style));
}

void fields_print_line(const struct fields *f)
{
	struct buf scratch = { 0 };

	for (size_t i = 0; i < f->n_pairs; i++) {
		fputs(i ? "  " : "", stdout);
		print_styled(&scratch, STYLE_NAME, f->slices[2 * i]);
		putchar('=');
		print_styled(&scratch, STYLE_PLAIN, f->slices[2 * i + 1]);
	}
	buf_done(&scratch);
}

void fields_print_list(const struct fields *f)
{
	struct table *t = table_new("FIELD", "VALUE", NULL);

	for (size_t i = 0; i < f->n_pairs; i++) {
		table_slice(t, STYLE_NAME, f->slices[2 * i]);
		table_slice(t, STYLE_PLAIN, f->slices[2 * i + 1]);
	}
	table_print(t);
	table_free(t);
}

/* ---- for programs */

void json_pair_fields(struct json *j, const struct fields *f)
{
	assert(j->has_items && !j->pretty);
	fieldsjson_append(j->to, f);
}

void json_pair_id(struct json *j, const char *key, struct entryid id)
{
	json_pair_text(j, key, entryid_text(id).text);
}

void json_pair_maybe_u64(struct json *j, const char *key, bool is_known, uint64_t value)
{
	if (is_known)
		json_pair_u64(j, key, value);
	else
		json_pair_null(j, key);
}

void json_pair_number(struct json *j, const char *key, struct slice text)
{
	uint64_t n = 0;
	bool is_known = parse_u64(text, &n) == 0;

	json_pair_maybe_u64(j, key, is_known, n);
}

/* ---- ids */

int id_parse(const char *text, struct entryid *ret_id)
{
	struct entryid id = { 0 };

	if (strchr(text, '-'))
		return entryid_parse(slice_of(text), ret_id);
	if (parse_u64(slice_of(text), &id.ms))
		return -EINVAL;
	*ret_id = id;
	return 0;
}

int id_parse_word(const char *text, struct entryid *ret_id)
{
	if (id_parse(text, ret_id) == 0)
		return 0;
	complain("\"%s\" is no id such as 1717200000000-0", text);
	return -EINVAL;
}

bool id_age_ms(struct entryid id, uint64_t now_ms, uint64_t *ret_age_ms)
{
	/* Of the year 2001: older than streams. */
	const uint64_t first_ms = 1000000000000;

	if (id.ms < first_ms)
		return false;
	/* The clock of the server may be ahead of ours. */
	*ret_age_ms = now_ms > id.ms ? now_ms - id.ms : 0;
	return true;
}

bool idle_is_for_ever(uint64_t idle_ms)
{
	/* 31 years. */
	return idle_ms > 1000000000000;
}

/* ---- pages */

void pagesize_learn(struct pagesize *p, size_t bytes)
{
	enum { SMALL = 256 * 1024, LARGE = 1024 * 1024 };

	if (bytes > LARGE && p->n > 1)
		p->n /= 2;
	else if (bytes < SMALL && p->n < PAGESIZE_MAX)
		p->n *= 2;
}
