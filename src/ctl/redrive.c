/* SPDX-License-Identifier: MIT */
/*
 * An entry is given back, and its record removed, in one script for a batch of them; where that is
 * not possible (a dead-letter stream in another slot, more fields than a script can pass on) first
 * the one, then the other: what is interrupted in between is there twice, never not at all.
 */
#include "ctl/redrive.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "core/deadletter.h"
#include "core/slot.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/pace.h"
#include "ctl/progress.h"
#include "ctl/records.h"
#include "ctl/script.h"

enum {
	BATCH = 50,
	REDRIVEN_MAX = 10,
	/* redis/prelude.lua: more do not fit on Lua's stack. Three arguments and a pair come along.
	 */
	VALUES_MAX = 7000 - 5,
};

/* What becomes of a record: the word of the scripts and of --json, and why it is kept. */
#define RESULTS(X)                                                                                 \
	X(DONE, "done", NULL)                                                                      \
	X(REMOVED, "removed", "the record has been removed meanwhile")                             \
	X(GONE, "gone", "the entry is no longer in its stream: --as-new adds it as a new one")     \
	X(PENDING, "pending",                                                                      \
	    "the entry is pending again: it was redriven, or is just being moved here")            \
	X(TRIMMED, "trimmed",                                                                      \
	    "there are no fields to redrive: they were trimmed before the entry was done")         \
	X(LIMIT, "limit", "the entry was redriven ten times or more: --force does it again")       \
	X(ERROR, "error", NULL)

enum result {
#define X(name, word, why) RESULT_##name,
	RESULTS(X)
#undef X
	    RESULT_COUNT
};

static const struct {
	const char *word, *why;
} results[RESULT_COUNT] = {
#define X(name, word, why) [RESULT_##name] = { word, why },
	RESULTS(X)
#undef X
};

/* What is needed of a record once its page is gone. */
struct item {
	struct entryid record, id, new_id;
	struct target *target;
	uint32_t n_meta, n_kept; /* values */
	uint64_t redriven;
	bool has_result; /* known without asking Redis */
	enum result result;
};

struct redrive {
	struct records *records;
	bool is_new, is_dry, is_json;
	struct pace pace;
	struct progress progress;
	uint64_t n[RESULT_COUNT];
};

static bool is_one_slot(const struct redrive *d, const struct target *t)
{
	return !ctl_redis(d->records->ctl)->cluster ||
	       slot_of_key(slice_of(t->stream)) == slot_of_key(slice_of(t->dead_letters));
}

/* ---- results */

static void print_result(const struct redrive *d, const struct item *it)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	json_object_begin(&j);
	json_pair_id(&j, "record", it->record);
	json_pair_text(&j, "stream", it->target->stream);
	json_pair_id(&j, "id", it->id);
	json_pair_text(&j, "result", results[it->result].word);
	if (d->is_new && it->result == RESULT_DONE && !d->is_dry)
		json_pair_id(&j, "new_id", it->new_id);
	if (d->is_dry)
		json_pair_bool(&j, "dry_run", true);
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

/* Those that were asked for by name are told one by one, the others counted. */
static void note(struct redrive *d, struct item *it, enum result result)
{
	it->result = result;
	d->n[result]++;
	if (d->is_json)
		print_result(d, it);
	if (!d->records->n_ids || !results[result].why)
		return;
	progress_end(&d->progress);
	complain("%s (%s): %s", entryid_text(it->record).text, entryid_text(it->id).text,
	    results[result].why);
}

static enum result result_named(struct slice word)
{
	int i = 0;

	while (i < RESULT_ERROR && !slice_is(word, results[i].word))
		i++;
	return (enum result)i;
}

/* The answers of a script, in the order of the items. */
static enum ctl_exit note_all(struct redrive *d, struct item *items, size_t n,
    const struct reply *answers)
{
	for (size_t i = 0; i < n && i < reply_len(answers); i++) {
		const struct reply *answer = reply_at(answers, i);
		enum result result = result_named(reply_text(reply_at(answer, 0)));
		struct slice more = reply_text(reply_at(answer, 1));

		if (result == RESULT_DONE && more.len && entryid_parse(more, &items[i].new_id))
			result = RESULT_ERROR;
		note(d, &items[i], result);
		if (result == RESULT_ERROR) {
			complain("%s: Redis says: %.*s", items[i].target->stream, (int)more.len,
			    more.data);
			return CTL_FAILED;
		}
	}
	return CTL_DONE;
}

/* ---- back to the group */

/* More than one key only where they are in one slot. */
static struct buf *begin_script(struct redrive *d, struct target *t, size_t n_args)
{
	size_t n_keys = d->is_new || is_one_slot(d, t) ? 2 : 1;
	const char *receiver = target_receiver(d->records->ctl, t);
	struct buf *out = place_eval(&t->place, d->is_new ? script_redrive_new : script_redrive,
	    n_keys, 3 + n_args);

	command_text(out, t->stream);
	if (n_keys == 2)
		command_text(out, t->dead_letters);
	command_text(out, t->group);
	command_text(out, receiver ? receiver : "");
	command_text(out, d->is_dry ? "1" : "0");
	return out;
}

/* The second of two steps. */
static enum ctl_exit remove_records(struct record_stream *from, const struct item *items, size_t n)
{
	size_t n_done = 0;
	struct buf *out;

	for (size_t i = 0; i < n; i++)
		n_done += items[i].result == RESULT_DONE;
	if (!n_done)
		return CTL_DONE;
	out = place_command(&from->place, 2 + n_done);
	command_text(out, "XDEL");
	command_text(out, from->key);
	for (size_t i = 0; i < n; i++) {
		if (items[i].result == RESULT_DONE)
			command_id(out, items[i].record);
	}
	return ask_well(&from->place) ? CTL_DONE : CTL_FAILED;
}

static enum ctl_exit give_back(struct redrive *d, struct record_stream *from, struct item *items,
    size_t n)
{
	struct target *t = items[0].target;
	struct buf *out = begin_script(d, t, 2 * n);
	const struct reply *answers;
	enum ctl_exit status;

	for (size_t i = 0; i < n; i++) {
		command_id(out, items[i].record);
		command_id(out, items[i].id);
		items[i].result = RESULT_ERROR;
	}
	status = target_ask(t, &answers);
	if (status != CTL_DONE)
		return status;
	status = note_all(d, items, n, answers);
	if (is_one_slot(d, t) || d->is_dry)
		return status;
	return remove_records(from, items, n) == CTL_DONE ? status : CTL_FAILED;
}

/* ---- as new entries */

static enum ctl_exit add_by_script(struct redrive *d, struct item *items, size_t n)
{
	struct target *t = items[0].target;
	struct buf *out = begin_script(d, t, 4 * n);
	const struct reply *answers;
	enum ctl_exit status;

	for (size_t i = 0; i < n; i++) {
		command_id(out, items[i].record);
		command_u64(out, items[i].n_meta);
		command_u64(out, items[i].n_kept);
		command_u64(out, items[i].redriven + 1);
	}
	status = target_ask(t, &answers);
	return status == CTL_DONE ? note_all(d, items, n, answers) : status;
}

static const struct reply *fetch(struct record_stream *from, struct entryid id)
{
	struct entryid_text text = entryid_text(id);

	place_words(&from->place, "XRANGE", from->key, text.text, text.text, NULL);
	return ask_well(&from->place);
}

static void write_xadd(struct item *it, const struct reply *fields)
{
	struct buf *out = place_command(&it->target->place, 3 + it->n_kept + 2);

	command_text(out, "XADD");
	command_text(out, it->target->stream);
	command_text(out, "*");
	for (size_t i = 0; i < it->n_kept; i++)
		command_slice(out, reply_text(reply_at(fields, it->n_meta + i)));
	command_text(out, "sluice.redriven");
	command_u64(out, it->redriven + 1);
}

static enum ctl_exit add_in_steps(struct redrive *d, struct record_stream *from, struct item *it)
{
	const struct reply *page = fetch(from, it->record);
	const struct reply *added;

	if (!page)
		return CTL_FAILED;
	if (!reply_len(page) || d->is_dry) {
		note(d, it, reply_len(page) ? RESULT_DONE : RESULT_REMOVED);
		return CTL_DONE;
	}
	write_xadd(it, reply_at(reply_at(page, 0), 1));
	added = ask_well(&it->target->place);
	if (!added || entryid_parse(reply_text(added), &it->new_id))
		return CTL_FAILED;
	note(d, it, RESULT_DONE);
	return remove_records(from, it, 1);
}

static bool takes_steps(const struct redrive *d, const struct item *it)
{
	return d->is_new && (it->n_kept > VALUES_MAX || !is_one_slot(d, it->target));
}

/* ---- pages */

/* How many of the items from the first on can go in one script. */
static size_t n_together(const struct redrive *d, const struct item *items, size_t n)
{
	size_t max = pace_batch(&d->pace, BATCH), len = 1;

	if (items[0].has_result || takes_steps(d, &items[0]))
		return 1;
	while (len < n && len < max && items[len].target == items[0].target &&
	       !items[len].has_result && !takes_steps(d, &items[len]))
		len++;
	return len;
}

static enum ctl_exit redrive_items(struct redrive *d, struct record_stream *from,
    struct item *items, size_t n)
{
	enum ctl_exit status = target_open(d->records->ctl, items[0].target);

	if (status != CTL_DONE)
		return status;
	if (items[0].has_result)
		note(d, &items[0], items[0].result);
	else if (takes_steps(d, &items[0]))
		status = add_in_steps(d, from, &items[0]);
	else
		status = d->is_new ? add_by_script(d, items, n) : give_back(d, from, items, n);
	progress_add(&d->progress, n);
	if (!items[0].has_result)
		pace_wait(&d->pace, from->place.link, n);
	return status;
}

static struct item item_of(const struct redrive *d, const struct record *r)
{
	uint64_t redriven = deadletter_redriven(&r->original);
	struct item it = {
		.record = r->id,
		.id = r->entry_id,
		.target = r->target,
		.n_meta = 2 * r->meta.n_pairs,
		.n_kept = 2 * (r->original.n_pairs - (redriven ? 1 : 0)),
		.redriven = redriven,
	};
	bool is_forced = args_has(&d->records->ctl->args, OPTION_FORCE);

	if (!r->original.n_pairs || slice_is(record_meta(r, "sluice.reason"), "trimmed"))
		it.result = RESULT_TRIMMED;
	else if (d->is_new && redriven >= REDRIVEN_MAX && !is_forced)
		it.result = RESULT_LIMIT;
	it.has_result = it.result != RESULT_DONE;
	return it;
}

/* The records are views, and gone with the next command. */
static enum ctl_exit redrive_page(void *owner, struct record_stream *from,
    const struct record *records, size_t n)
{
	struct redrive *d = owner;
	struct item *items = xcalloc(n, sizeof(*items));
	enum ctl_exit status = CTL_DONE;
	size_t len;

	for (size_t i = 0; i < n; i++)
		items[i] = item_of(d, &records[i]);
	for (size_t i = 0; i < n && status == CTL_DONE && !interrupted(); i += len) {
		len = n_together(d, items + i, n - i);
		status = redrive_items(d, from, items + i, len);
	}
	free(items);
	return status;
}

/* ---- the account */

static uint64_t n_kept(const struct redrive *d)
{
	uint64_t n = 0;

	for (int i = 0; i < RESULT_COUNT; i++)
		n += i == RESULT_DONE || i == RESULT_REMOVED ? 0 : d->n[i];
	return n;
}

/* An answer may have been lost with the connection. */
static void tell_rest(uint64_t n)
{
	if (interrupted())
		complain("interrupted: the other %llu record%s not looked at",
		    (unsigned long long)n, n == 1 ? " was" : "s were");
	else
		complain("stopped: of the other %llu record%s no result is known",
		    (unsigned long long)n, plural(n));
}

static uint64_t n_looked_at(const struct redrive *d)
{
	return d->n[RESULT_REMOVED] + d->n[RESULT_DONE] + n_kept(d);
}

static void tell(const struct redrive *d, uint64_t n_wanted)
{
	const char *would = d->is_dry ? " would be" : "";

	if (!d->is_json)
		printf("%llu record%s%s redriven, %llu%s kept.\n",
		    (unsigned long long)d->n[RESULT_DONE], plural(d->n[RESULT_DONE]), would,
		    (unsigned long long)n_kept(d), would);
	for (int i = 0; i < RESULT_COUNT && !d->records->n_ids; i++) {
		if (d->n[i] && results[i].why)
			complain("%llu record%s: %s", (unsigned long long)d->n[i], plural(d->n[i]),
			    results[i].why);
	}
	if (n_looked_at(d) < n_wanted)
		tell_rest(n_wanted - n_looked_at(d));
}

/* Whoever may not remove records would redrive them, and then again. Each id of a record is above
 * this one. */
static enum ctl_exit try_removal(const struct records *r)
{
	for (size_t i = 0; i < r->n_streams; i++) {
		struct record_stream *s = &r->streams[i];

		place_words(&s->place, "XDEL", s->key, "0-0", NULL);
		if (!ask_well(&s->place))
			return CTL_FAILED;
	}
	return CTL_DONE;
}

static enum ctl_exit redrive_all(struct redrive *d)
{
	uint64_t n_wanted = d->records->n_matched;
	enum ctl_exit status = d->is_dry ? CTL_DONE : try_removal(d->records);

	d->pace = pace_begin(d->records->ctl);
	progress_begin(&d->progress, "records", n_wanted);
	if (status == CTL_DONE)
		status = records_walk(d->records, redrive_page, d);
	progress_end(&d->progress);
	/* What was counted and is not found any more. */
	if (status == CTL_DONE && !interrupted() && n_looked_at(d) < n_wanted)
		d->n[RESULT_REMOVED] += n_wanted - n_looked_at(d);
	tell(d, n_wanted);
	return status == CTL_DONE && (interrupted() || n_kept(d)) ? CTL_FAILED : status;
}

static enum ctl_exit ask_and_redrive(struct redrive *d)
{
	enum ctl_exit status = records_count(d->records);
	enum consent consent;

	if (status != CTL_DONE || !d->records->n_matched)
		return records_tell_none(d->records, status);
	consent = records_confirm(d->records,
	    d->is_new ? "added to the stream as new entries, for every group, and removed"
	              : "given back to the group, to be run anew as attempt 1, and removed");
	if (consent == CONSENT_NO)
		return CTL_FAILED;
	d->is_dry = consent == CONSENT_DRY;
	status = redrive_all(d);
	return status == CTL_DONE ? records_tell_missing(d->records) : status;
}

enum ctl_exit dead_redrive_run(struct ctl *c)
{
	struct records r;
	struct redrive d = {
		.records = &r,
		.is_new = args_has(&c->args, OPTION_AS_NEW),
		.is_json = c->json,
	};
	enum ctl_exit status = records_open(c, &r);

	if (status == CTL_DONE && !d.is_new && !target_receiver(c, &r.targets.items[0])) {
		complain("--consumer says in whose name entries are given back");
		status = CTL_USAGE;
	}
	if (status == CTL_DONE) {
		interrupt_catch();
		status = ask_and_redrive(&d);
	}
	records_close(&r);
	return status;
}
