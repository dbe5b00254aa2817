/* SPDX-License-Identifier: MIT */
/*
 * Redis keeps no list of what was acknowledged: an entry that was delivered and is not pending has
 * been, or was there before the group. Its dead-letter records are searched for: they are newer
 * than the entry, and name it.
 */
#include "ctl/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/text.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/target.h"

enum {
	SEARCH_RECORDS = 100 * 1000,
	/* The clock of the server that made the record may be behind that of the producer. */
	CLOCK_SKEW_MS = 60 * 1000,
	RECORDS_SHOWN = 16,
};

/* Where an entry stands with the group. */
enum standing { STANDING_NO_GROUP, STANDING_WAITING, STANDING_PENDING, STANDING_ACKNOWLEDGED };

static const char *const standing_words[] = {
	[STANDING_NO_GROUP] = "no_group",
	[STANDING_WAITING] = "waiting",
	[STANDING_PENDING] = "pending",
	[STANDING_ACKNOWLEDGED] = "acknowledged",
};

/* A dead-letter record of the entry; a copy, which is packed. */
struct record {
	struct entryid id;
	struct packed_fields *fields;
};

struct story {
	struct ctl *c;
	struct target *target;
	struct entryid id;
	uint64_t now_ms;

	struct packed_fields *fields; /* NULL: not in the stream */
	enum standing standing;
	char *owner; /* NULL: nobody */
	uint64_t idle_ms, deliveries;

	struct record records[RECORDS_SHOWN];
	size_t n_records;
	uint64_t n_searched;
	bool is_search_cut;    /* there are records that were not looked at */
	bool is_search_failed; /* the same, and why was told */
};

static void story_done(struct story *s)
{
	for (size_t i = 0; i < s->n_records; i++)
		free(s->records[i].fields);
	free(s->fields);
	free(s->owner);
}

/* ---- questions: 0, or -EIO after saying on standard error what went wrong */

static int look_at_stream(struct place *p, struct story *s)
{
	struct entryid_text id = entryid_text(s->id);
	struct entryview v = { 0 };
	const struct reply *r;

	place_words(p, "XRANGE", s->target->stream, id.text, id.text, NULL);
	r = ask_well(p);
	if (!r)
		return -EIO;
	if (reply_len(r) && entryview_read(&v, reply_at(r, 0)) == 0)
		s->fields = fields_pack(&v.fields);
	entryview_done(&v);
	return 0;
}

/* Whether the group is there, and how far it has come. */
static int look_at_group(struct place *p, struct story *s)
{
	struct entryid last = { 0 };
	const struct reply *r, *group;

	place_words(p, "XINFO", "GROUPS", s->target->stream, NULL);
	r = ask(p);
	if (!r)
		return -EIO;
	if (reply_is_error(r) && redis_error_class(r->text) == REDIS_NOGROUP)
		return 0;
	if (reply_is_error(r)) {
		place_complain(p, r);
		return -EIO;
	}
	group = xinfo_named(r, s->target->group);
	if (!group || entryid_parse(reply_text(xinfo_field(group, "last-delivered-id")), &last))
		return 0;
	s->standing = entryid_compare(s->id, last) <= 0 ? STANDING_ACKNOWLEDGED : STANDING_WAITING;
	return 0;
}

static int look_at_pending(struct place *p, struct story *s)
{
	struct entryid_text id = entryid_text(s->id);
	struct pending_row row;
	const struct reply *r;

	if (s->standing == STANDING_NO_GROUP)
		return 0;
	place_words(p, "XPENDING", s->target->stream, s->target->group, id.text, id.text, "1",
	    NULL);
	r = ask_well(p);
	if (!r)
		return -EIO;
	if (!reply_len(r) || reply_pending_row(reply_at(r, 0), &row))
		return 0;
	s->standing = STANDING_PENDING;
	s->owner = row.nobody ? NULL : xstrndup(row.owner.data, row.owner.len);
	s->idle_ms = row.idle_ms;
	s->deliveries = row.deliveries;
	return 0;
}

/* ---- dead-letter records */

static struct slice record_value(const struct fields *f, const char *name)
{
	/* The record's own pairs come before those of the entry. */
	const struct slice *value = fields_get(f, slice_of(name));

	return value ? *value : (struct slice){ "", 0 };
}

static bool is_about(const struct story *s, const struct fields *f)
{
	return slice_is(record_value(f, "sluice.id"), entryid_text(s->id).text) &&
	       slice_is(record_value(f, "sluice.stream"), s->target->stream);
}

/* Where the search begins; from the first record on if the id is no time, or one to come. */
static struct entryid search_from(const struct story *s)
{
	uint64_t age_ms;

	if (!id_age_ms(s->id, s->now_ms, &age_ms) || s->id.ms > s->now_ms)
		return (struct entryid){ 0 };
	return (struct entryid){ s->id.ms - CLOCK_SKEW_MS, 0 };
}

static size_t take_records(struct story *s, const struct reply *r, struct entryid *last)
{
	struct entryview v = { 0 };
	size_t bytes = 0;

	for (size_t i = 0; i < reply_len(r); i++) {
		if (entryview_read(&v, reply_at(r, i)))
			continue;
		*last = v.id;
		bytes += fields_bytes(&v.fields);
		if (is_about(s, &v.fields) && s->n_records < RECORDS_SHOWN)
			s->records[s->n_records++] =
			    (struct record){ v.id, fields_pack(&v.fields) };
	}
	s->n_searched += reply_len(r);
	entryview_done(&v);
	return bytes;
}

static const struct reply *ask_records(struct place *p, const char *key, struct entryid behind,
    uint64_t count)
{
	char from[1 + ENTRYID_TEXT_SIZE];
	struct buf *out = place_command(p, 6);

	snprintf(from, sizeof(from), "(%s", entryid_text(behind).text);
	command_text(out, "XRANGE");
	command_text(out, key);
	command_text(out, from);
	command_text(out, "+");
	command_text(out, "COUNT");
	command_u64(out, count);
	place_reads(p);
	return ask_well(p);
}

static int search(struct place *p, struct story *s)
{
	uint64_t bound = args_number(&s->c->args, OPTION_COUNT, SEARCH_RECORDS);
	struct entryid last = entryid_before(search_from(s));
	struct pagesize page = pagesize_begin();

	for (;;) {
		uint64_t left = bound - s->n_searched, count = left < page.n ? left : page.n;
		const struct reply *r =
		    ask_records(p, s->target->dead_letters, last, count ? count : 1);
		size_t n = reply_len(r);

		if (!r)
			return -EIO;
		if (n && (!left || interrupted())) {
			s->is_search_cut = true;
			return 0;
		}
		pagesize_learn(&page, take_records(s, r, &last));
		if (!n)
			return 0;
	}
}

static int look_at_dead_letters(struct story *s)
{
	struct place p;
	int error;

	if (!s->target->dead_letters)
		return 0;
	if (place_open(s->c->link, s->target->dead_letters, &p))
		return -EIO;
	error = search(&p, s);
	place_close(&p);
	return error;
}

static int look(struct story *s)
{
	struct place *p = &s->target->place;
	int error = look_at_stream(p, s);

	if (!error)
		error = look_at_group(p, s);
	if (!error)
		error = look_at_pending(p, s);
	return error;
}

/* An id that was never given out is "acknowledged" too, when the group is beyond it. */
static bool is_nowhere(const struct story *s)
{
	return !s->fields && s->standing != STANDING_PENDING && !s->n_records;
}

/* ---- for people */

static void print_name(const char *name)
{
	printf("%s%-10s%s ", style_begin(STYLE_DIM), name, style_end(STYLE_DIM));
}

static void print_age(struct entryid id, uint64_t now_ms)
{
	struct buf text = { 0 };
	uint64_t age_ms;

	if (id_age_ms(id, now_ms, &age_ms)) {
		human_duration(&text, age_ms);
		printf(", %.*s ago", (int)buf_len(&text), buf_data(&text));
	}
	buf_done(&text);
}

static void print_pending(const struct story *s)
{
	struct buf text = { 0 };

	if (s->owner) {
		text_append_printable(&text, slice_of(s->owner));
		if (idle_is_for_ever(s->idle_ms)) {
			buf_append_text(&text, ", claimable");
		} else {
			buf_append_text(&text, ", idle ");
			human_duration(&text, s->idle_ms);
		}
	} else {
		buf_append_text(&text, "nobody");
	}
	printf("%spending%s for %.*s, %" PRIu64 " deliver%s", style_begin(STYLE_WARN),
	    style_end(STYLE_WARN), (int)buf_len(&text), buf_data(&text), s->deliveries,
	    s->deliveries == 1 ? "y" : "ies");
	buf_done(&text);
}

static void print_standing(const struct story *s)
{
	print_name("group");
	printf("%s: ", s->target->group);
	switch (s->standing) {
	case STANDING_NO_GROUP:
		fputs("not there", stdout);
		break;
	case STANDING_WAITING:
		fputs("not delivered yet", stdout);
		break;
	case STANDING_PENDING:
		print_pending(s);
		break;
	case STANDING_ACKNOWLEDGED:
		printf("%sacknowledged%s (or older than the group)", style_begin(STYLE_GOOD),
		    style_end(STYLE_GOOD));
		break;
	}
	putchar('\n');
}

static void print_record(const struct story *s, const struct record *record)
{
	struct fields f = fields_unpacked(record->fields);
	struct slice group = record_value(&f, "sluice.group");
	struct buf text = { 0 };

	text_append_printable(&text, record_value(&f, "sluice.reason"));
	buf_append_text(&text, style_end(STYLE_BAD));
	if (!slice_is(group, s->target->group)) {
		buf_append_text(&text, " in group ");
		text_append_printable(&text, group);
	}
	buf_append_text(&text, ", attempt ");
	text_append_printable(&text, record_value(&f, "sluice.attempts"));
	buf_append_text(&text, ": ");
	text_append_printable(&text, record_value(&f, "sluice.detail"));
	print_name("dead");
	printf("%s%.*s  (record %s", style_begin(STYLE_BAD), (int)buf_len(&text), buf_data(&text),
	    entryid_text(record->id).text);
	print_age(record->id, s->now_ms);
	puts(")");
	buf_done(&text);
}

static void print_story(const struct story *s)
{
	print_name("entry");
	fputs(entryid_text(s->id).text, stdout);
	print_age(s->id, s->now_ms);
	putchar('\n');
	print_name("stream");
	printf("%s: %s\n", s->target->stream,
	    s->fields ? "there" : "not there any more (trimmed or deleted)");
	print_standing(s);
	for (size_t i = 0; i < s->n_records; i++)
		print_record(s, &s->records[i]);
	if (s->fields) {
		struct fields f = fields_unpacked(s->fields);

		putchar('\n');
		fields_print_list(&f);
	}
}

/* ---- for programs */

static void json_record(struct json *j, const struct record *record)
{
	static const struct {
		const char *key, *name;
	} texts[] = {
		{ "group", "sluice.group" },
		{ "reason", "sluice.reason" },
		{ "failure", "sluice.failure" },
		{ "detail", "sluice.detail" },
	};
	struct fields f = fields_unpacked(record->fields);

	json_object_begin(j);
	json_pair_id(j, "record", record->id);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		json_pair_slice(j, texts[i].key, record_value(&f, texts[i].name));
	json_pair_number(j, "attempts", record_value(&f, "sluice.attempts"));
	json_object_end(j);
}

static void json_story(struct json *j, const struct story *s)
{
	bool is_pending = s->standing == STANDING_PENDING;
	uint64_t age_ms = 0;
	bool is_time = id_age_ms(s->id, s->now_ms, &age_ms);

	json_pair_text(j, "stream", s->target->stream);
	json_pair_text(j, "group", s->target->group);
	json_pair_id(j, "id", s->id);
	json_pair_maybe_u64(j, "age_ms", is_time, age_ms);
	json_pair_bool(j, "in_stream", s->fields);
	json_pair_text(j, "state", standing_words[s->standing]);
	json_pair_text(j, "consumer", s->owner);
	json_pair_maybe_u64(j, "idle_ms", s->owner, s->idle_ms);
	json_pair_maybe_u64(j, "deliveries", is_pending, s->deliveries);
	json_key(j, "dead");
	json_array_begin(j);
	for (size_t i = 0; i < s->n_records; i++)
		json_record(j, &s->records[i]);
	json_array_end(j);
	json_pair_bool(j, "dead_search_complete", !s->is_search_cut && !s->is_search_failed);
}

static void print_json_story(const struct story *s)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	json_object_begin(&j);
	json_story(&j, s);
	if (s->fields) {
		struct fields f = fields_unpacked(s->fields);

		json_pair_fields(&j, &f);
	}
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

/* ---- the command */

static void tell_nowhere(const struct story *s)
{
	const char *stream = s->target->stream, *dead_letters = s->target->dead_letters;
	struct entryid_text id = entryid_text(s->id);

	if (s->is_search_failed)
		complain("%s is not in %s and not pending", id.text, stream);
	else
		complain("%s is not in %s, not pending, and in no record of %s", id.text, stream,
		    dead_letters ? dead_letters : "dead letters");
}

static enum ctl_exit tell(const struct story *s)
{
	if (is_nowhere(s))
		tell_nowhere(s);
	else if (s->c->json)
		print_json_story(s);
	else
		print_story(s);
	if (s->is_search_cut)
		complain("only the first %" PRIu64 " records of %s since then were looked at; "
		         "--count N looks at more",
		    s->n_searched, s->target->dead_letters);
	if (s->is_search_failed)
		return CTL_FAILED;
	return is_nowhere(s) ? CTL_MISSING : CTL_DONE;
}

enum ctl_exit show_run(struct ctl *c)
{
	struct story s = { .c = c, .now_ms = clock_wall_ms() };
	struct targets targets;
	enum ctl_exit status;

	if (id_parse_word(c->args.words[0], &s.id))
		return CTL_USAGE;
	status = target_open_one(c, &targets);
	if (status != CTL_DONE)
		return status;
	interrupt_catch();
	s.target = &targets.items[0];
	status = CTL_FAILED;
	if (!look(&s)) {
		s.is_search_failed = look_at_dead_letters(&s);
		status = tell(&s);
	}
	story_done(&s);
	targets_done(&targets);
	return status;
}
