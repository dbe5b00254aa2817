/* SPDX-License-Identifier: MIT */
/*
 * Pages of plain XPENDING, from the last id on: with the IDLE filter the server would walk through
 * the whole list in one go, and others would wait. Memory is that of one page, and of one payload.
 */
#include "ctl/pending.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/fields.h"
#include "ctl/output.h"
#include "ctl/target.h"

enum {
	PAGE_ROWS = 250,
	PAGE_PAYLOADS = 50, /* the server has to keep what we have not read yet */
	TERMINAL_ROWS = 100,
};

struct listing {
	struct ctl *c;
	const char *consumer; /* NULL: of all */
	uint64_t min_idle_ms, limit, n_shown, now_ms;
	bool has_payload;
	bool has_more; /* than the limit allows */
	struct target *target;
	struct table *table;
	struct buf json;
	struct entryview view;

	/* The page. Owners are good until the next one is asked for. */
	struct pending_row rows[PAGE_ROWS];
	size_t n_rows, next; /* next: whose payload comes next */
	struct entryid last;
	bool is_last_page;
	enum ctl_exit status;
};

/* ---- one row */

static void print_json_row(struct listing *l, const struct pending_row *row)
{
	struct json j = { .to = &l->json };
	uint64_t age_ms = 0;
	bool is_time = id_age_ms(row->id, l->now_ms, &age_ms);

	json_object_begin(&j);
	json_pair_text(&j, "stream", l->target->stream);
	json_pair_text(&j, "group", l->target->group);
	json_pair_id(&j, "id", row->id);
	json_pair_maybe_u64(&j, "age_ms", is_time, age_ms);
	if (row->nobody)
		json_pair_null(&j, "consumer");
	else
		json_pair_slice(&j, "consumer", row->owner);
	json_pair_maybe_u64(&j, "idle_ms", !row->nobody, row->idle_ms);
	json_pair_u64(&j, "deliveries", row->deliveries);
	if (l->has_payload) {
		json_pair_bool(&j, "trimmed", l->view.is_gone);
		if (!l->view.is_gone)
			json_pair_fields(&j, &l->view.fields);
	}
	json_object_end(&j);
	print_json(&l->json);
}

static void add_table_row(struct listing *l, const struct pending_row *row)
{
	struct table *t = l->table;
	uint64_t age_ms;

	table_text(t, slice_of(l->target->stream));
	table_styled(t, STYLE_PLAIN, entryid_text(row->id).text);
	if (id_age_ms(row->id, l->now_ms, &age_ms))
		table_duration(t, age_ms);
	else
		table_none(t);
	if (row->nobody) {
		table_none(t);
		table_none(t);
	} else {
		table_text(t, row->owner);
		if (idle_is_for_ever(row->idle_ms))
			table_styled(t, STYLE_PLAIN, "claimable");
		else
			table_duration(t, row->idle_ms);
	}
	table_u64(t, row->deliveries);
}

static void print_payload(const struct listing *l)
{
	fputs("    ", stdout);
	if (l->view.is_gone)
		printf("%strimmed%s", style_begin(STYLE_WARN), style_end(STYLE_WARN));
	else
		fields_print_line(&l->view.fields);
	putchar('\n');
}

static void show_row(struct listing *l, const struct pending_row *row)
{
	l->n_shown++;
	if (l->c->json) {
		print_json_row(l, row);
		return;
	}
	add_table_row(l, row);
	if (!l->has_payload)
		return;
	table_print(l->table);
	print_payload(l);
}

/* ---- payloads */

static void on_payload(void *owner, const struct reply *r)
{
	struct listing *l = owner;
	const struct pending_row *row = &l->rows[l->next++];

	if (l->status != CTL_DONE)
		return;
	if (!r || reply_is_error(r)) {
		if (r)
			place_complain(&l->target->place, r);
		else
			complain("the connection to Redis was lost");
		l->status = CTL_FAILED;
		return;
	}
	/* An empty range: its data is gone. */
	l->view.is_gone = reply_len(r) == 0;
	if (!l->view.is_gone && entryview_read(&l->view, reply_at(r, 0)))
		l->view.is_gone = true;
	show_row(l, row);
}

static void show_payloads(struct listing *l)
{
	struct place *p = &l->target->place;

	l->next = 0;
	for (size_t i = 0; i < l->n_rows; i++) {
		struct buf *out = place_command(p, 4);

		command_text(out, "XRANGE");
		command_text(out, l->target->stream);
		command_id(out, l->rows[i].id);
		command_id(out, l->rows[i].id);
		place_send(p, on_payload, l);
	}
	/* A connection that was lost has been told to on_payload(). */
	if (place_wait(p, 0))
		l->status = CTL_FAILED;
}

/* ---- pages */

static enum ctl_exit ask_page(struct listing *l, size_t size, const struct reply **ret_page)
{
	struct place *p = &l->target->place;
	struct buf *out = place_command(p, l->consumer ? 7 : 6);
	struct entryid_text last = entryid_text(l->last);
	char from[1 + ENTRYID_TEXT_SIZE];

	snprintf(from, sizeof(from), "(%s", last.text);
	command_text(out, "XPENDING");
	command_text(out, l->target->stream);
	command_text(out, l->target->group);
	command_text(out, entryid_is_zero(l->last) ? "-" : from);
	command_text(out, "+");
	command_u64(out, size);
	if (l->consumer)
		command_text(out, l->consumer);
	place_reads(p);
	return target_ask(l->target, ret_page);
}

/* Takes those rows of the answer that are asked for, up to the limit. */
static int take_rows(struct listing *l, const struct reply *r)
{
	l->n_rows = 0;
	for (size_t i = 0; i < reply_len(r); i++) {
		struct pending_row *row = &l->rows[l->n_rows];

		if (reply_pending_row(reply_at(r, i), row))
			return -EPROTO;
		l->last = row->id;
		if (!row->nobody && row->idle_ms < l->min_idle_ms)
			continue;
		if (l->n_shown + l->n_rows == l->limit) {
			l->has_more = true;
			return 0;
		}
		l->n_rows++;
	}
	return 0;
}

static void show_rows(struct listing *l)
{
	if (l->has_payload) {
		show_payloads(l);
		return;
	}
	for (size_t i = 0; i < l->n_rows; i++)
		show_row(l, &l->rows[i]);
}

static void show_page(struct listing *l)
{
	size_t size = l->has_payload ? PAGE_PAYLOADS : PAGE_ROWS;
	const struct reply *r;

	l->status = ask_page(l, size, &r);
	if (l->status != CTL_DONE)
		return;
	if (take_rows(l, r)) {
		complain("%s: Redis' answer makes no sense", l->target->stream);
		l->status = CTL_FAILED;
		return;
	}
	l->is_last_page = reply_len(r) < size;
	show_rows(l);
	if (l->table)
		table_print(l->table);
}

static enum ctl_exit list_target(struct listing *l, struct target *t)
{
	l->target = t;
	l->last = (struct entryid){ 0 };
	l->is_last_page = false;
	l->status = target_open(l->c, t);
	/* A reader that has left wants no more. */
	while (l->status == CTL_DONE && !l->is_last_page && !l->has_more && output_flush())
		show_page(l);
	return l->status;
}

/* ---- the command */

static enum ctl_exit list_all(struct listing *l, struct targets *targets)
{
	enum ctl_exit status = CTL_DONE;

	for (size_t i = 0; i < targets->len && !l->has_more; i++) {
		enum ctl_exit one = list_target(l, &targets->items[i]);

		if (one != CTL_DONE)
			status = one;
		if (one == CTL_FAILED)
			break;
	}
	return status;
}

static uint64_t limit_of(const struct ctl *c)
{
	bool is_for_people = isatty(STDOUT_FILENO) && !c->json;

	return args_number(&c->args, OPTION_COUNT, is_for_people ? TERMINAL_ROWS : UINT64_MAX);
}

enum ctl_exit pending_run(struct ctl *c)
{
	struct listing l = {
		.c = c,
		.consumer = args_text(&c->args, OPTION_CONSUMER),
		.min_idle_ms = args_number(&c->args, OPTION_IDLE, 0),
		.limit = limit_of(c),
		.now_ms = clock_wall_ms(),
		.has_payload = args_has(&c->args, OPTION_PAYLOAD),
	};
	struct targets targets;
	enum ctl_exit status = targets_find(c, &targets);

	if (status != CTL_DONE)
		return status;
	if (!c->json)
		l.table =
		    table_new("STREAM", "ID", ">AGE", "CONSUMER", ">IDLE", ">DELIVERIES", NULL);
	status = list_all(&l, &targets);
	targets_done(&targets);
	if (l.has_more && !args_has(&c->args, OPTION_COUNT)) {
		output_flush();
		fprintf(stderr, "Those were the first %" PRIu64 "; --count N shows more.\n",
		    l.limit);
	}
	table_free(l.table);
	buf_done(&l.json);
	entryview_done(&l.view);
	return status;
}
