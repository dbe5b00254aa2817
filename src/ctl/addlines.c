/* SPDX-License-Identifier: MIT */
/*
 * Lines become commands, commands a batch, and the next batch begins when all of one is answered:
 * so memory is bounded, and the account is exact. Whatever goes wrong ends it: what has been sent
 * is waited for, nothing more is sent.
 *
 * A batch does not wait for lines that are not there yet: a producer may be slow.
 */
#include "ctl/addlines.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/add.h"
#include "ctl/entryjson.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/linesource.h"
#include "ctl/output.h"
#include "ctl/progress.h"

enum {
	LINE_BYTES = 64 * 1024 * 1024,
	BATCH_LINES = 1000,
	BATCH_BYTES = 1024 * 1024,
	INPUT_MS = 100,
	/* A failover, a key that moves: over within this time, or told. */
	PATIENCE_MS = 10000,
	RETRY_MS = 100,
};

/* What became of a line. */
enum fate { FATE_NOT_SENT, FATE_ADDED, FATE_PASSING, FATE_REFUSED, FATE_UNKNOWN };

struct adding;

struct item {
	struct adding *adding;
	uint64_t line;
	size_t at, len; /* its command, in the batch's */
	enum fate fate;
};

struct batch {
	struct buf commands;
	struct item items[BATCH_LINES];
	size_t n;
	struct buf passing; /* the first error that passes; empty: there was none */
};

struct adding {
	struct ctl *c;
	struct target *target;
	struct linesource source;
	struct entryjson entry;
	struct progress progress;
	struct batch batch;

	uint64_t n_added, n_refused, n_unknown;
	struct entryid first, last;
	uint64_t next_line; /* the first one that is not known to be added; 0: none */
	uint64_t n_behind;  /* were added all the same: they had been sent already */
	bool has_failed;
};

/* ---- fates */

/* Clears the line of the progress first. */
static void fail(struct adding *a)
{
	progress_end(&a->progress);
	a->has_failed = true;
}

static void settle_added(struct adding *a, const struct reply *r)
{
	struct entryid id;

	a->n_added++;
	progress_add(&a->progress, 1);
	if (entryid_parse(reply_text(r), &id))
		return;
	if (a->n_added == 1)
		a->first = id;
	a->last = id;
}

static void settle_refused(struct adding *a, const struct item *item, const struct reply *r)
{
	if (!a->n_refused++) {
		fail(a);
		complain("%s:%" PRIu64 " was refused", a->source.name, item->line);
		place_complain(&a->target->place, r);
	}
}

static void settle_unknown(struct adding *a)
{
	if (!a->n_unknown++) {
		fail(a);
		complain("the connection to Redis was lost");
	}
}

/* The key has moved, or the server refuses for now; nothing was done. */
static bool is_passing(const struct reply *r)
{
	enum redis_error class = reply_is_error(r) ? redis_error_class(r->text) : REDIS_UNKNOWN;

	return class == REDIS_MOVED || class == REDIS_TEMPORARY;
}

/* It is obeyed later: a place that moves has no answers any more for what was sent to it. */
static void settle_passing(struct adding *a, const struct reply *r)
{
	if (!buf_len(&a->batch.passing))
		buf_append(&a->batch.passing, r->text.data, r->text.len);
}

static void on_added(void *owner, const struct reply *r)
{
	struct item *item = owner;
	struct adding *a = item->adding;

	if (!r) {
		item->fate = FATE_UNKNOWN;
		settle_unknown(a);
	} else if (is_passing(r)) {
		item->fate = FATE_PASSING;
		settle_passing(a, r);
	} else if (reply_is_error(r)) {
		item->fate = FATE_REFUSED;
		settle_refused(a, item, r);
	} else {
		item->fate = FATE_ADDED;
		settle_added(a, r);
	}
}

/* ---- batches */

static void append_line(struct adding *a)
{
	struct batch *b = &a->batch;
	size_t at = buf_len(&b->commands);

	add_command(a->c, a->target, &a->entry.fields, &b->commands);
	b->items[b->n++] = (struct item){
		.adding = a,
		.line = a->source.n_lines,
		.at = at,
		.len = buf_len(&b->commands) - at,
	};
}

static bool is_full(const struct batch *b)
{
	return b->n == BATCH_LINES || buf_len(&b->commands) >= BATCH_BYTES;
}

static bool is_to_be_sent(const struct item *item)
{
	return item->fate == FATE_NOT_SENT || item->fate == FATE_PASSING;
}

/* Sends what is to be sent, in order, and waits for all answers. */
static void send_batch(struct adding *a)
{
	struct place *p = &a->target->place;
	struct batch *b = &a->batch;

	if (place_ready(p)) {
		fail(a);
		return;
	}
	for (size_t i = 0; i < b->n; i++) {
		struct item *item = &b->items[i];

		if (!is_to_be_sent(item))
			continue;
		buf_clear(&p->command);
		buf_append(&p->command, buf_data(&b->commands) + item->at, item->len);
		place_send(p, on_added, item);
	}
	/* A connection that was lost has been told to on_added(). */
	if (place_wait(p, 0))
		return;
}

static bool has_to_be_sent(const struct batch *b)
{
	for (size_t i = 0; i < b->n; i++) {
		if (is_to_be_sent(&b->items[i]))
			return true;
	}
	return false;
}

static void note_next_line(struct adding *a)
{
	for (size_t i = 0; i < a->batch.n; i++) {
		const struct item *item = &a->batch.items[i];

		if (item->fate == FATE_ADDED)
			a->n_behind += a->next_line > 0;
		else if (!a->next_line)
			a->next_line = item->line;
	}
}

static void heed_passing(struct adding *a)
{
	struct slice error = buf_slice(&a->batch.passing);

	if (!error.len)
		return;
	home_heard_error(&a->target->place.home, redis_error_class(error), error);
	link_pause(a->c->link, RETRY_MS);
}

static void give_up_batch(struct adding *a)
{
	struct slice error = buf_slice(&a->batch.passing);

	fail(a);
	complain("%s: Redis says: %.*s", a->target->stream, (int)error.len, error.data);
}

static void flush_batch(struct adding *a)
{
	uint64_t end_ms = clock_mono_ms() + PATIENCE_MS;
	struct batch *b = &a->batch;

	while (has_to_be_sent(b) && !a->has_failed && !interrupted()) {
		if (clock_mono_ms() >= end_ms) {
			give_up_batch(a);
			break;
		}
		buf_clear(&b->passing);
		send_batch(a);
		heed_passing(a);
	}
	note_next_line(a);
	b->n = 0;
	buf_clear(&b->commands);
	progress_share(&a->progress, a->source.n_bytes, a->source.file_bytes);
}

/* ---- lines */

static bool is_blank(struct slice line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (!strchr(" \t\r", line.data[i]) || !line.data[i])
			return false;
	}
	return true;
}

/* The lines before it are good, and go; it and those behind it do not. */
static void refuse_line(struct adding *a, const char *why)
{
	flush_batch(a);
	fail(a);
	if (!a->next_line)
		a->next_line = a->source.n_lines;
	complain("%s:%" PRIu64 ": %s", a->source.name, a->source.n_lines, why);
}

static void take_line(struct adding *a, struct slice line)
{
	if (is_blank(line))
		return;
	if (entryjson_read(&a->entry, line)) {
		refuse_line(a, entryjson_why(&a->entry));
		return;
	}
	append_line(a);
	if (is_full(&a->batch))
		flush_batch(a);
}

/* False at the end. */
static bool take_next(struct adding *a)
{
	struct slice line;
	int r = linesource_next(&a->source, &line);

	switch (r) {
	case LINESOURCE_LINE:
		take_line(a, line);
		return true;
	case LINESOURCE_END:
		return false;
	case -EAGAIN:
		flush_batch(a);
		if (!a->has_failed)
			link_turn_for_input(a->c->link, a->source.fd, INPUT_MS);
		return true;
	case -EMSGSIZE:
		refuse_line(a, "longer than 64 MiB");
		return false;
	default:
		refuse_line(a, strerror(-r));
		return false;
	}
}

static void add_all(struct adding *a)
{
	while (!a->has_failed && !interrupted() && take_next(a))
		;
	if (!a->has_failed && !interrupted())
		flush_batch(a);
	progress_end(&a->progress);
	note_next_line(a);
	if (interrupted() && !a->has_failed) {
		complain("interrupted");
		if (!a->next_line)
			a->next_line = a->source.n_lines + 1;
		a->has_failed = true;
	}
}

/* ---- the account */

static void json_account(struct json *j, const struct adding *a)
{
	json_pair_text(j, "stream", a->target->stream);
	json_pair_u64(j, "added", a->n_added);
	json_pair_u64(j, "refused", a->n_refused);
	json_pair_u64(j, "unknown", a->n_unknown);
	if (a->n_added) {
		json_pair_id(j, "first_id", a->first);
		json_pair_id(j, "last_id", a->last);
	}
	json_pair_bool(j, "complete", !a->has_failed);
	json_pair_maybe_u64(j, "next_line", a->next_line, a->next_line);
	json_pair_u64(j, "added_behind", a->n_behind);
}

static void print_json_account(const struct adding *a)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	json_object_begin(&j);
	json_account(&j, a);
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

static void print_account(const struct adding *a)
{
	printf("%" PRIu64 " %s added to %s", a->n_added, entries_word(a->n_added),
	    a->target->stream);
	if (a->n_added)
		printf(", %s to %s", entryid_text(a->first).text, entryid_text(a->last).text);
	if (a->n_refused)
		printf("; %" PRIu64 " refused", a->n_refused);
	if (a->n_unknown)
		printf("; of %" PRIu64 " it is not known", a->n_unknown);
	putchar('\n');
	if (a->next_line)
		printf("Line %" PRIu64 " is the first that is not known to be added.\n",
		    a->next_line);
	if (a->n_behind)
		printf("%" PRIu64 " line%s behind it had been sent already, and were added.\n",
		    a->n_behind, plural(a->n_behind));
}

/* ---- the command */

enum ctl_exit add_lines(struct ctl *c, struct target *t, const char *path)
{
	static struct adding a;
	int r;

	a = (struct adding){ .c = c, .target = t };
	r = linesource_open(&a.source, path, LINE_BYTES);
	if (r) {
		complain("%s: %s", path, strerror(-r));
		return CTL_FAILED;
	}
	interrupt_catch();
	progress_begin(&a.progress, "entries", 0);
	add_all(&a);
	if (c->json)
		print_json_account(&a);
	else
		print_account(&a);
	linesource_close(&a.source);
	entryjson_done(&a.entry);
	buf_done(&a.batch.commands);
	buf_done(&a.batch.passing);
	return a.has_failed ? CTL_FAILED : CTL_DONE;
}
