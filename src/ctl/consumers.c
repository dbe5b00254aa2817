/* SPDX-License-Identifier: MIT */
#include "ctl/consumers.h"

#include "base/json.h"
#include "ctl/fields.h"
#include "ctl/output.h"
#include "ctl/target.h"

/* A row of XINFO CONSUMERS. */
struct row {
	struct slice name;
	uint64_t pending, idle_ms, inactive_ms;
	bool is_inactive_known; /* from Redis 7.2 on, and once it was active */
	bool is_configured;
};

static uint64_t number(const struct reply *row, const char *field)
{
	int64_t n = reply_integer(xinfo_field(row, field));

	return n > 0 ? (uint64_t)n : 0;
}

static struct row read_row(const struct target *t, const struct reply *r)
{
	const struct reply *inactive = xinfo_field(r, "inactive");
	struct slice name = reply_text(xinfo_field(r, "name"));

	return (struct row){
		.name = name,
		.pending = number(r, "pending"),
		.idle_ms = number(r, "idle"),
		.inactive_ms = number(r, "inactive"),
		.is_inactive_known = inactive && reply_integer(inactive) >= 0,
		.is_configured = t->consumer && slice_is(name, t->consumer),
	};
}

static void add_row(struct table *table, const struct target *t, const struct row *r)
{
	table_text(table, slice_of(t->stream));
	table_slice(table, r->is_configured ? STYLE_NAME : STYLE_PLAIN, r->name);
	table_u64(table, r->pending);
	table_duration(table, r->idle_ms);
	if (r->is_inactive_known)
		table_duration(table, r->inactive_ms);
	else
		table_none(table);
	if (r->is_configured)
		table_styled(table, STYLE_NAME, "configured");
	else
		table_none(table);
}

static void print_object(const struct target *t, const struct row *r)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	json_object_begin(&j);
	json_pair_text(&j, "stream", t->stream);
	json_pair_text(&j, "group", t->group);
	json_pair_slice(&j, "consumer", r->name);
	json_pair_u64(&j, "pending", r->pending);
	json_pair_u64(&j, "idle_ms", r->idle_ms);
	json_pair_maybe_u64(&j, "inactive_ms", r->is_inactive_known, r->inactive_ms);
	json_pair_bool(&j, "configured", r->is_configured);
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

/* table NULL: JSON. */
static enum ctl_exit list(struct ctl *c, struct target *t, struct table *table)
{
	enum ctl_exit status = target_open(c, t);
	const struct reply *rows = NULL;

	if (status != CTL_DONE)
		return status;
	place_words(&t->place, "XINFO", "CONSUMERS", t->stream, t->group, NULL);
	status = target_ask(t, &rows);
	for (size_t i = 0; i < reply_len(rows) && status == CTL_DONE; i++) {
		struct row row = read_row(t, reply_at(rows, i));

		if (table)
			add_row(table, t, &row);
		else
			print_object(t, &row);
	}
	return status;
}

enum ctl_exit consumers_run(struct ctl *c)
{
	struct targets targets;
	enum ctl_exit status = targets_find(c, &targets);
	struct table *table;

	if (status != CTL_DONE)
		return status;
	table = c->json ? NULL
	                : table_new("STREAM", "CONSUMER", ">PENDING", ">IDLE", ">INACTIVE", "NOTE",
	                      NULL);
	for (size_t i = 0; i < targets.len && status == CTL_DONE; i++)
		status = list(c, &targets.items[i], table);
	if (table && status == CTL_DONE)
		table_print(table);
	table_free(table);
	targets_done(&targets);
	return status;
}
