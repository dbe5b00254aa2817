/* SPDX-License-Identifier: MIT */
#include "ctl/dead.h"

#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "base/text.h"
#include "ctl/confirm.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/pace.h"
#include "ctl/progress.h"
#include "ctl/records.h"

static enum ctl_exit walk_to_print(struct records *r, records_fn *on_page, void *owner)
{
	enum ctl_exit status = records_walk(r, on_page, owner);

	if (status == CTL_DONE)
		status = records_tell_missing(r);
	if (!r->n_ids && r->n_others) {
		fflush(stdout);
		fprintf(stderr, "%llu record%s of other streams or groups left out.\n",
		    (unsigned long long)r->n_others, plural(r->n_others));
	}
	return status;
}

static uint64_t age_ms(const struct record_stream *from, struct entryid id)
{
	return from->now_ms > id.ms ? from->now_ms - id.ms : 0;
}

/* ---- JSON */

static void json_record(struct json *j, const struct record_stream *from, const struct record *r)
{
	json_pair_id(j, "record", r->id);
	json_pair_u64(j, "age_ms", age_ms(from, r->id));
	json_pair_text(j, "stream", r->target->stream);
	json_pair_text(j, "group", r->target->group);
	json_pair_slice(j, "consumer", record_meta(r, "sluice.consumer"));
	json_pair_id(j, "id", r->entry_id);
	json_pair_slice(j, "reason", record_meta(r, "sluice.reason"));
	json_pair_slice(j, "failure", record_meta(r, "sluice.failure"));
	json_pair_slice(j, "detail", record_meta(r, "sluice.detail"));
	json_pair_number(j, "attempts", record_meta(r, "sluice.attempts"));
	json_pair_slice(j, "handler", record_meta(r, "sluice.handler"));
	json_pair_slice(j, "host", record_meta(r, "sluice.host"));
	json_pair_number(j, "first_ms", record_meta(r, "sluice.first_ms"));
	json_pair_number(j, "last_ms", record_meta(r, "sluice.last_ms"));
}

static enum ctl_exit print_objects(const struct record_stream *from, const struct record *records,
    size_t n, bool is_whole)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct json j = { .to = &text };

		json_object_begin(&j);
		json_record(&j, from, &records[i]);
		if (is_whole) {
			json_pair_slice(&j, "stderr", record_meta(&records[i], "sluice.stderr"));
			json_pair_fields(&j, &records[i].original);
		}
		json_object_end(&j);
		print_json(&text);
	}
	buf_done(&text);
	return output_flush() ? CTL_DONE : CTL_FAILED;
}

/* ---- list */

struct listing {
	struct table *table; /* NULL: JSON */
	bool has_streams;    /* more than one may occur */
};

static void add_row(const struct listing *l, const struct record_stream *from,
    const struct record *r)
{
	struct table *t = l->table;

	table_text(t, slice_of(entryid_text(r->id).text));
	table_duration(t, age_ms(from, r->id));
	if (l->has_streams)
		table_text(t, slice_of(r->target->stream));
	table_text(t, slice_of(entryid_text(r->entry_id).text));
	table_text(t, record_meta(r, "sluice.reason"));
	table_text(t, record_meta(r, "sluice.failure"));
	table_text(t, record_meta(r, "sluice.attempts"));
	table_text(t, record_meta(r, "sluice.detail"));
}

static enum ctl_exit list_page(void *owner, struct record_stream *from,
    const struct record *records, size_t n)
{
	const struct listing *l = owner;

	if (!l->table)
		return print_objects(from, records, n, false);
	for (size_t i = 0; i < n; i++)
		add_row(l, from, &records[i]);
	table_print(l->table);
	return output_flush() ? CTL_DONE : CTL_FAILED;
}

static struct table *list_table(bool has_streams)
{
	struct table *t = has_streams ? table_new("RECORD", ">AGE", "STREAM", "ENTRY", "REASON",
	                                    "FAILURE", ">ATTEMPTS", "DETAIL", NULL)
	                              : table_new("RECORD", ">AGE", "ENTRY", "REASON", "FAILURE",
	                                    ">ATTEMPTS", "DETAIL", NULL);

	table_cut(t);
	return t;
}

enum ctl_exit dead_list_run(struct ctl *c)
{
	struct listing l = { 0 };
	struct records r;
	enum ctl_exit status = records_open(c, &r);

	l.has_streams = r.targets.len > 1;
	if (status == CTL_DONE) {
		interrupt_catch();
		l.table = c->json ? NULL : list_table(l.has_streams);
		status = walk_to_print(&r, list_page, &l);
		if (l.table && !r.n_matched && !r.n_ids)
			table_print(l.table);
	}
	table_free(l.table);
	records_close(&r);
	return status;
}

/* ---- show */

static void print_line(const char *label, struct slice text)
{
	struct buf line = { 0 };

	text_append_printable(&line, text);
	printf("%s%-9s%s %.*s\n", style_begin(STYLE_DIM), label, style_end(STYLE_DIM),
	    (int)buf_len(&line), buf_data(&line));
	buf_done(&line);
}

/* It is kept on one line, in which the newlines were written as \n. */
static void print_stderr(struct slice text)
{
	const char *label = "stderr";

	while (text.len) {
		const char *end = memmem(text.data, text.len, "\\n", 2);
		size_t len = end ? (size_t)(end - text.data) : text.len;

		print_line(label, (struct slice){ text.data, len });
		label = "";
		if (end)
			len += 2;
		text.data += len;
		text.len -= len;
	}
}

static void print_with_age(const char *label, struct slice text, uint64_t at_ms, uint64_t now_ms)
{
	struct buf line = { 0 };

	buf_append(&line, text.data, text.len);
	buf_append_text(&line, " (");
	human_duration(&line, now_ms > at_ms ? now_ms - at_ms : 0);
	buf_append_text(&line, " ago)");
	print_line(label, buf_slice(&line));
	buf_done(&line);
}

static void print_pair(struct slice name, struct slice value, uint64_t now_ms)
{
	const size_t skip = strlen("sluice.");
	char label[32];
	uint64_t at_ms;

	snprintf(label, sizeof(label), "%.*s", (int)(name.len > skip ? name.len - skip : 0),
	    name.data + skip);
	if (slice_is(name, "sluice.stderr"))
		print_stderr(value);
	else if (name.len > 3 && memcmp(name.data + name.len - 3, "_ms", 3) == 0 &&
	         parse_u64(value, &at_ms) == 0)
		print_with_age(label, value, at_ms, now_ms);
	else if (value.len)
		print_line(label, value);
}

static void print_record(const struct record_stream *from, const struct record *r)
{
	struct entryid_text id = entryid_text(r->id);

	print_with_age("record", slice_of(id.text), r->id.ms, from->now_ms);
	for (uint32_t i = 1; i < r->meta.n_pairs; i++)
		print_pair(r->meta.slices[2 * i], r->meta.slices[2 * i + 1], from->now_ms);
	putchar('\n');
	if (r->original.n_pairs)
		fields_print_list(&r->original);
	else
		puts("no fields: its data was gone from the stream");
}

struct show {
	bool is_json, is_later; /* one was printed already */
};

static enum ctl_exit show_page(void *owner, struct record_stream *from,
    const struct record *records, size_t n)
{
	struct show *s = owner;

	if (s->is_json)
		return print_objects(from, records, n, true);
	for (size_t i = 0; i < n; i++) {
		if (s->is_later)
			putchar('\n');
		s->is_later = true;
		print_record(from, &records[i]);
	}
	return output_flush() ? CTL_DONE : CTL_FAILED;
}

enum ctl_exit dead_show_run(struct ctl *c)
{
	struct show s = { .is_json = c->json };
	struct records r;
	enum ctl_exit status = records_open(c, &r);

	if (status == CTL_DONE) {
		interrupt_catch();
		status = walk_to_print(&r, show_page, &s);
	}
	records_close(&r);
	return status;
}

/* ---- purge */

enum { PURGE_BATCH = 100 };

struct purge {
	struct records *records;
	struct pace pace;
	struct progress progress;
	uint64_t n_purged;
};

static struct buf *begin_xdel(struct place *p, const char *key, size_t n)
{
	struct buf *out = place_command(p, 2 + n);

	command_text(out, "XDEL");
	command_text(out, key);
	return out;
}

/* No view of a record is used after the first command: ids are all in the commands. */
static enum ctl_exit purge_ids(struct purge *p, struct record_stream *from,
    const struct record *records, size_t n)
{
	struct buf *out = begin_xdel(&from->place, from->key, n);
	const struct reply *answer;

	for (size_t i = 0; i < n; i++)
		command_id(out, records[i].id);
	answer = ask_well(&from->place);
	if (!answer)
		return CTL_FAILED;
	p->n_purged += (uint64_t)reply_integer(answer);
	progress_add(&p->progress, n);
	pace_wait(&p->pace, from->place.link, n);
	return CTL_DONE;
}

static enum ctl_exit purge_page(void *owner, struct record_stream *from,
    const struct record *records, size_t n)
{
	struct purge *p = owner;
	size_t batch = pace_batch(&p->pace, PURGE_BATCH);
	enum ctl_exit status = CTL_DONE;

	for (size_t i = 0; i < n && status == CTL_DONE && !interrupted(); i += batch)
		status = purge_ids(p, from, records + i, n - i < batch ? n - i : batch);
	return status;
}

static void print_purged(const struct ctl *c, uint64_t n_found, uint64_t n_purged)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	json_object_begin(&j);
	json_pair_u64(&j, "found", n_found);
	json_pair_u64(&j, "purged", n_purged);
	json_pair_bool(&j, "dry_run", args_has(&c->args, OPTION_DRY_RUN));
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

static void tell_purged(const struct ctl *c, const struct purge *p, uint64_t n_found)
{
	if (c->json)
		print_purged(c, n_found, p->n_purged);
	else
		printf("%llu record%s removed.\n", (unsigned long long)p->n_purged,
		    plural(p->n_purged));
	if (interrupted() && p->progress.n_done < n_found)
		complain("interrupted: the other %llu record%s still there",
		    (unsigned long long)(n_found - p->progress.n_done),
		    n_found - p->progress.n_done == 1 ? " is" : "s are");
}

static enum ctl_exit purge(struct records *r)
{
	struct purge p = { .records = r, .pace = pace_begin(r->ctl) };
	uint64_t n_wanted = r->n_matched;
	enum ctl_exit status;

	progress_begin(&p.progress, "records", n_wanted);
	status = records_walk(r, purge_page, &p);
	progress_end(&p.progress);
	tell_purged(r->ctl, &p, n_wanted);
	return status == CTL_DONE && interrupted() ? CTL_FAILED : status;
}

static enum ctl_exit ask_and_purge(struct records *r)
{
	enum ctl_exit status = records_count(r);
	enum consent consent;

	if (status == CTL_DONE && !r->n_matched && r->ctl->json)
		print_purged(r->ctl, 0, 0);
	if (status != CTL_DONE || !r->n_matched)
		return records_tell_none(r, status);
	consent = records_confirm(r, "removed for good");
	if (consent == CONSENT_GO)
		status = purge(r);
	else if (consent == CONSENT_DRY && r->ctl->json)
		print_purged(r->ctl, r->n_matched, 0);
	if (status == CTL_DONE)
		status = consent == CONSENT_NO ? CTL_FAILED : records_tell_missing(r);
	return status;
}

enum ctl_exit dead_purge_run(struct ctl *c)
{
	struct records r;
	enum ctl_exit status = records_open(c, &r);

	if (status == CTL_DONE) {
		interrupt_catch();
		status = ask_and_purge(&r);
	}
	records_close(&r);
	return status;
}
