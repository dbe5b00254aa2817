/* SPDX-License-Identifier: MIT */
/*
 * A page is as large as the last ones allow (struct pagesize), so that memory stays the same for a
 * million records, and for records of a megabyte. The end is fixed when the streams are opened:
 * what is redriven may die again, and would be found again for ever.
 */
#include "ctl/records.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "core/deadletter.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/progress.h"

struct slice record_meta(const struct record *r, const char *name)
{
	const struct slice *value = fields_get(&r->meta, slice_of(name));

	return value ? *value : slice_of("");
}

/* ---- what is wanted */

static int compare_wanted(const void *a, const void *b)
{
	const struct wanted_id *x = a, *y = b;

	return entryid_compare(x->id, y->id);
}

static struct wanted_id *find_wanted(const struct records *r, struct entryid id)
{
	struct wanted_id key = { .id = id };

	return r->n_ids ? bsearch(&key, r->ids, r->n_ids, sizeof(key), compare_wanted) : NULL;
}

/* In order, each once. */
static void sort_ids(struct records *r)
{
	size_t n = 0;

	qsort(r->ids, r->n_ids, sizeof(*r->ids), compare_wanted);
	for (size_t i = 0; i < r->n_ids; i++) {
		if (!n || compare_wanted(&r->ids[n - 1], &r->ids[i]) != 0)
			r->ids[n++] = r->ids[i];
	}
	r->n_ids = n;
}

static enum ctl_exit take_ids(struct records *r)
{
	const struct args *a = &r->ctl->args;

	r->ids = xcalloc(a->n_words + 1, sizeof(*r->ids));
	for (size_t i = 0; i < a->n_words; i++) {
		struct entryid id;

		if (id_parse_word(a->words[i], &id))
			return CTL_USAGE;
		r->ids[r->n_ids++].id = id;
	}
	sort_ids(r);
	return CTL_DONE;
}

static bool is_reason(const char *word)
{
	for (int i = 0; i < DEAD_REASON_COUNT; i++) {
		if (strcmp(word, dead_reason_word((enum dead_reason)i)) == 0)
			return true;
	}
	return false;
}

static enum ctl_exit take_filters(struct records *r)
{
	const struct args *a = &r->ctl->args;

	r->reason = args_text(a, OPTION_REASON);
	r->count = args_number(a, OPTION_COUNT, UINT64_MAX);
	if (!r->reason || is_reason(r->reason))
		return take_ids(r);
	complain("--reason: expected one of rejected, attempts, trimmed, oversize, got \"%s\"",
	    r->reason);
	return CTL_USAGE;
}

/* ---- the dead-letter streams */

static struct record_stream *stream_of(const struct records *r, const char *key)
{
	for (size_t i = 0; i < r->n_streams; i++) {
		if (strcmp(r->streams[i].key, key) == 0)
			return &r->streams[i];
	}
	return NULL;
}

static enum ctl_exit name_streams(struct records *r)
{
	r->streams = xcalloc(r->targets.len, sizeof(*r->streams));
	for (size_t i = 0; i < r->targets.len; i++) {
		const char *key = r->targets.items[i].dead_letters;

		if (key && !stream_of(r, key))
			r->streams[r->n_streams++].key = key;
	}
	if (r->n_streams)
		return CTL_DONE;
	complain("%s has no dead-letter stream: dead_letter.stream is off", r->ctl->args.name);
	return CTL_MISSING;
}

/* Ids of records are made by the server's clock, which is therefore asked, if it may be. */
static uint64_t server_time_ms(struct place *p)
{
	const struct reply *r;
	uint64_t s, us;

	place_words(p, "TIME", NULL);
	r = ask(p);
	if (!r || parse_u64(reply_text(reply_at(r, 0)), &s) ||
	    parse_u64(reply_text(reply_at(r, 1)), &us))
		return clock_wall_ms();
	return s * 1000 + us / 1000;
}

static enum ctl_exit find_last(struct record_stream *s)
{
	const struct reply *r, *fields;

	place_words(&s->place, "XREVRANGE", s->key, "+", "-", "COUNT", "1", NULL);
	r = ask_well(&s->place);
	if (!r)
		return CTL_FAILED;
	s->is_empty = !reply_len(r);
	if (s->is_empty || reply_entry(reply_at(r, 0), &s->last, &fields) == 0)
		return CTL_DONE;
	complain("%s: Redis answered what is no entry", s->key);
	return CTL_FAILED;
}

static enum ctl_exit open_stream(struct records *r, struct link *link, struct record_stream *s)
{
	const struct args *a = &r->ctl->args;
	uint64_t since_ms = args_number(a, OPTION_SINCE, 0);

	if (place_open(link, s->key, &s->place))
		return CTL_FAILED;
	s->now_ms = server_time_ms(&s->place);
	if (args_has(a, OPTION_SINCE) && since_ms < s->now_ms)
		s->first.ms = s->now_ms - since_ms;
	return find_last(s);
}

static enum ctl_exit open_streams(struct records *r)
{
	struct link *link = ctl_link(r->ctl);
	enum ctl_exit status = link ? CTL_DONE : CTL_FAILED;

	for (size_t i = 0; i < r->n_streams && status == CTL_DONE; i++)
		status = open_stream(r, link, &r->streams[i]);
	return status;
}

enum ctl_exit records_open(struct ctl *c, struct records *ret_records)
{
	struct records *r = ret_records;
	enum ctl_exit status;

	*r = (struct records){ .ctl = c };
	status = take_filters(r);
	if (status == CTL_DONE)
		status = targets_find(c, &r->targets);
	if (status == CTL_DONE)
		status = name_streams(r);
	return status == CTL_DONE ? open_streams(r) : status;
}

void records_close(struct records *r)
{
	for (size_t i = 0; i < r->n_streams; i++)
		place_close(&r->streams[i].place);
	targets_done(&r->targets);
	free(r->streams);
	free(r->ids);
	free(r->slices);
	*r = (struct records){ 0 };
}

/* ---- pages */

/* One way through the records of one stream. */
struct walk {
	struct records *records;
	struct record_stream *stream;
	records_fn *on_page;
	void *owner;
};

static struct target *target_of(const struct walk *w, const struct record *rec)
{
	const struct targets *t = &w->records->targets;
	struct slice stream = record_meta(rec, "sluice.stream");
	struct slice group = record_meta(rec, "sluice.group");

	for (size_t i = 0; i < t->len; i++) {
		struct target *target = &t->items[i];

		if (target->dead_letters && strcmp(target->dead_letters, w->stream->key) == 0 &&
		    slice_is(stream, target->stream) && slice_is(group, target->group))
			return target;
	}
	return NULL;
}

/* An id may be that of a record, and by chance that of the entry of another. */
static bool is_named(const struct records *r, const struct record *rec)
{
	struct wanted_id *by_record = find_wanted(r, rec->id);
	struct wanted_id *by_entry = find_wanted(r, rec->entry_id);

	if (by_record && by_record != by_entry)
		by_record->is_record = true;
	if (by_entry && by_entry != by_record)
		by_entry->is_entry = true;
	if (by_record)
		by_record->is_found = true;
	if (by_entry)
		by_entry->is_found = true;
	return by_record || by_entry;
}

static bool is_wanted(const struct walk *w, const struct record *rec)
{
	const struct records *r = w->records;

	if (r->reason && !slice_is(record_meta(rec, "sluice.reason"), r->reason))
		return false;
	return !r->n_ids || is_named(r, rec);
}

/* Its values go where there is room for all of the page's. Whether it is one of ours, and wanted.
 */
static bool read_record(struct walk *w, const struct reply *r, struct slice *values,
    struct record *ret_record)
{
	struct record rec;
	const struct reply *fields;
	struct fields all;

	if (reply_entry(r, &rec.id, &fields))
		return false;
	for (size_t i = 0; i < reply_len(fields); i++)
		values[i] = reply_text(reply_at(fields, i));
	all = (struct fields){ (uint32_t)(reply_len(fields) / 2), values };
	if (deadletter_split(&all, &rec.meta, &rec.original) ||
	    entryid_parse(record_meta(&rec, "sluice.id"), &rec.entry_id) ||
	    !(rec.target = target_of(w, &rec))) {
		w->records->n_others++;
		return false;
	}
	if (!is_wanted(w, &rec))
		return false;
	*ret_record = rec;
	return true;
}

static size_t n_values(const struct reply *page)
{
	size_t n = 0;

	for (size_t i = 0; i < reply_len(page); i++)
		n += reply_len(reply_at(reply_at(page, i), 1));
	return n;
}

static size_t n_bytes(const struct slice *values, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += values[i].len;
	return bytes;
}

/* Hands on what is ours and wanted; *ret_bytes is the size of all. */
static enum ctl_exit take_page(struct walk *w, const struct reply *page, size_t *ret_bytes)
{
	struct records *r = w->records;
	struct record *found = xcalloc(reply_len(page) + 1, sizeof(*found));
	size_t n = n_values(page), n_found = 0, at = 0;
	enum ctl_exit status;

	if (n > r->cap) {
		r->cap = n;
		r->slices = xreallocarray(r->slices, n, sizeof(*r->slices));
	}
	for (size_t i = 0; i < reply_len(page) && r->n_matched < r->count; i++) {
		const struct reply *row = reply_at(page, i);
		bool is_ours = read_record(w, row, r->slices + at, &found[n_found]);

		n_found += is_ours;
		r->n_matched += is_ours;
		at += reply_len(reply_at(row, 1));
	}
	*ret_bytes = n_bytes(r->slices, at);
	status = n_found ? w->on_page(w->owner, w->stream, found, n_found) : CTL_DONE;
	free(found);
	return status;
}

static const struct reply *ask_range(struct walk *w, const char *from, const char *to, uint64_t n)
{
	struct place *p = &w->stream->place;
	struct buf *out = place_command(p, 6);

	command_text(out, "XRANGE");
	command_text(out, w->stream->key);
	command_text(out, from);
	command_text(out, to);
	command_text(out, "COUNT");
	command_u64(out, n);
	place_reads(p);
	return ask_well(p);
}

static bool is_over(const struct records *r)
{
	return interrupted() || r->n_matched >= r->count;
}

static enum ctl_exit walk_stream(struct walk *w)
{
	struct pagesize size = pagesize_begin();
	struct entryid_text last = entryid_text(w->stream->last);
	char from[ENTRYID_TEXT_SIZE + 1];
	enum ctl_exit status = CTL_DONE;

	snprintf(from, sizeof(from), "%s", entryid_text(w->stream->first).text);
	while (status == CTL_DONE && !is_over(w->records)) {
		uint64_t n_asked = size.n;
		const struct reply *page = ask_range(w, from, last.text, n_asked);
		size_t n = reply_len(page), bytes;
		struct slice end = reply_text(reply_at(reply_at(page, n - 1), 0));

		if (!page)
			return CTL_FAILED;
		if (!n)
			break;
		snprintf(from, sizeof(from), "(%.*s", (int)end.len, end.data);
		status = take_page(w, page, &bytes);
		pagesize_learn(&size, bytes);
		if (n < n_asked)
			break;
	}
	return status;
}

enum ctl_exit records_walk(struct records *r, records_fn *on_page, void *owner)
{
	enum ctl_exit status = CTL_DONE;

	r->n_matched = r->n_others = 0;
	for (size_t i = 0; i < r->n_streams && status == CTL_DONE; i++) {
		struct walk w = { r, &r->streams[i], on_page, owner };

		if (!r->streams[i].is_empty)
			status = walk_stream(&w);
	}
	return status;
}

enum ctl_exit records_tell_missing(const struct records *r)
{
	enum ctl_exit status = CTL_DONE;

	for (size_t i = 0; i < r->n_ids; i++) {
		if (r->ids[i].is_found)
			continue;
		complain("%s: no record of it, and no record with that id, is in %s%s",
		    entryid_text(r->ids[i].id).text, r->streams[0].key,
		    r->n_streams > 1 ? " or the other dead-letter streams" : "");
		status = CTL_MISSING;
	}
	return status;
}

/* ---- before a change */

static enum ctl_exit count_page(void *owner, struct record_stream *from,
    const struct record *records, size_t n)
{
	(void)from;
	(void)records;
	progress_add(owner, n);
	return CTL_DONE;
}

/* Nothing is changed by a guess. */
static enum ctl_exit tell_ambiguous(const struct records *r)
{
	enum ctl_exit status = CTL_DONE;

	for (size_t i = 0; i < r->n_ids; i++) {
		if (!r->ids[i].is_record || !r->ids[i].is_entry)
			continue;
		complain("%s is the id of a record, and of an entry that has another record: 'dead "
		         "list' with that id shows both, with ids that are clear",
		    entryid_text(r->ids[i].id).text);
		status = CTL_FAILED;
	}
	return status;
}

enum ctl_exit records_count(struct records *r)
{
	struct progress p;
	enum ctl_exit status;

	progress_begin(&p, "records found", 0);
	status = records_walk(r, count_page, &p);
	progress_end(&p);
	if (status == CTL_DONE && interrupted()) {
		complain("interrupted: nothing was changed");
		return CTL_FAILED;
	}
	return status == CTL_DONE ? tell_ambiguous(r) : status;
}

enum ctl_exit records_tell_none(const struct records *r, enum ctl_exit status)
{
	if (status != CTL_DONE)
		return status;
	if (!r->n_ids)
		fputs("There is no such record.\n", stderr);
	return records_tell_missing(r);
}

enum consent records_confirm(const struct records *r, const char *what)
{
	bool is_one = r->n_streams == 1;

	return confirm(r->ctl, "%llu record%s of %s%s will be %s.",
	    (unsigned long long)r->n_matched, plural(r->n_matched),
	    is_one ? r->streams[0].key : "all dead-letter streams of ",
	    is_one ? "" : r->ctl->args.name, what);
}
