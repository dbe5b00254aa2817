/* SPDX-License-Identifier: MIT */
/*
 * Each stream has its cursor, and everything is printed by reading on from there; a connection that
 * was lost loses nothing. One stream is waited for with BLOCK. Several may share a connection, on
 * which one blocked read would hold up the others, so they are asked in turn.
 */
#include "ctl/tail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/target.h"

enum { LAST_ENTRIES = 10, BLOCK_MS = 5000, TURN_MS = 100, BETWEEN_MS = 100 };

struct tail;

/* One stream. */
struct follow {
	struct tail *tail;
	struct target *target;
	struct entryid last; /* printed */
	struct pagesize page;
	bool is_asked;
	bool has_lost; /* said that the connection is lost */
};

struct tail {
	struct ctl *c;
	struct follow *follows;
	size_t n_follows;
	struct entryview view;
	struct buf json;
	uint64_t n_new; /* in this round */
	bool has_to_wait;
	bool is_over; /* after an error that does not pass */
};

/* ---- where to begin */

/* A walk backwards from the end. */
struct walk {
	const char *from;      /* not below this */
	uint64_t n_left;       /* not over more */
	struct entryid lowest; /* so far; 0-0: there is none */
	struct pagesize page;
};

static const struct reply *ask_before(struct follow *f, const struct walk *w, uint64_t count)
{
	struct place *p = &f->target->place;
	struct buf *out = place_command(p, 6);
	char end[1 + ENTRYID_TEXT_SIZE];

	snprintf(end, sizeof(end), "(%s", entryid_text(w->lowest).text);
	command_text(out, "XREVRANGE");
	command_text(out, f->target->stream);
	command_text(out, entryid_is_zero(w->lowest) ? "+" : end);
	command_text(out, w->from);
	command_text(out, "COUNT");
	command_u64(out, count);
	place_reads(p);
	return ask_well(p);
}

/* A page: false at the end, and after an error, which it has told. */
static bool step_back(struct follow *f, struct walk *w, bool *ret_failed)
{
	uint64_t count = w->n_left < w->page.n ? w->n_left : w->page.n;
	const struct reply *r = ask_before(f, w, count);
	struct entryview *v = &f->tail->view;
	size_t bytes = 0;

	*ret_failed = !r;
	for (size_t i = 0; i < reply_len(r); i++) {
		if (entryview_read(v, reply_at(r, i)))
			continue;
		bytes += fields_bytes(&v->fields);
		w->lowest = v->id;
	}
	pagesize_learn(&w->page, bytes);
	w->n_left -= reply_len(r);
	return reply_len(r) == count;
}

/* Finds the first of the last n entries that are not below `from`; 0-0 if there is none. */
static enum ctl_exit walk_back(struct follow *f, const char *from, uint64_t n,
    struct entryid *ret_first)
{
	struct walk w = { .from = from, .n_left = n, .page = pagesize_begin() };
	bool failed = false;

	while (w.n_left && !interrupted() && step_back(f, &w, &failed))
		;
	*ret_first = w.lowest;
	return failed ? CTL_FAILED : CTL_DONE;
}

/* The id of --from, which may be as in redis-cli: "-" is the beginning. */
static int parse_from(const char *text, struct entryid *ret_from)
{
	if (strcmp(text, "-") != 0)
		return id_parse_word(text, ret_from);
	*ret_from = (struct entryid){ 0 };
	return 0;
}

static enum ctl_exit begin(struct follow *f)
{
	const struct args *args = &f->tail->c->args;
	const char *from_text = args_text(args, OPTION_FROM);
	struct entryid from = { 0 }, first;
	enum ctl_exit status;

	if (from_text && strcmp(from_text, "$") == 0)
		return walk_back(f, "-", 1, &f->last);
	if (from_text && parse_from(from_text, &from))
		return CTL_USAGE;
	f->last = entryid_before(from);
	if (from_text && !args_has(args, OPTION_COUNT))
		return CTL_DONE;
	status = walk_back(f, entryid_text(from).text,
	    args_number(args, OPTION_COUNT, LAST_ENTRIES), &first);
	if (!entryid_is_zero(first))
		f->last = entryid_before(first);
	return status;
}

/* ---- entries */

static void print_json_entry(struct tail *t, const char *stream)
{
	struct json j = { .to = &t->json };

	json_object_begin(&j);
	json_pair_text(&j, "stream", stream);
	json_pair_id(&j, "id", t->view.id);
	json_pair_fields(&j, &t->view.fields);
	json_object_end(&j);
	print_json(&t->json);
}

static void print_entry(const struct tail *t, const char *stream)
{
	if (t->n_follows > 1)
		printf("%s%s%s  ", style_begin(STYLE_BOLD), stream, style_end(STYLE_BOLD));
	printf("%s%s%s  ", style_begin(STYLE_DIM), entryid_text(t->view.id).text,
	    style_end(STYLE_DIM));
	fields_print_line(&t->view.fields);
	putchar('\n');
}

static void print_entries(struct follow *f, const struct reply *entries)
{
	struct tail *t = f->tail;
	size_t bytes = 0;

	for (size_t i = 0; i < reply_len(entries); i++) {
		if (entryview_read(&t->view, reply_at(entries, i)))
			continue;
		f->last = t->view.id;
		bytes += fields_bytes(&t->view.fields);
		if (t->c->json)
			print_json_entry(t, f->target->stream);
		else
			print_entry(t, f->target->stream);
	}
	t->n_new += reply_len(entries);
	pagesize_learn(&f->page, bytes);
}

/* ---- reading */

static void on_read(void *owner, const struct reply *r)
{
	struct follow *f = owner;
	struct tail *t = f->tail;

	f->is_asked = false;
	if (!r || place_is_passing(&f->target->place, r)) {
		t->has_to_wait = true;
	} else if (reply_is_error(r)) {
		place_complain(&f->target->place, r);
		t->is_over = true;
	} else {
		print_entries(f, reply_read_entries(r));
	}
}

/* Below the time after which the connection is taken for dead. */
static uint64_t block_ms(const struct tail *t)
{
	uint64_t keepalive_ms = ctl_redis(t->c)->keepalive_ms;

	return keepalive_ms < BLOCK_MS ? keepalive_ms : BLOCK_MS;
}

static void ask_for_new(struct follow *f)
{
	struct place *p = &f->target->place;
	bool blocks = f->tail->n_follows == 1;
	struct buf *out = place_command(p, blocks ? 8 : 6);

	command_text(out, "XREAD");
	command_text(out, "COUNT");
	command_u64(out, f->page.n);
	if (blocks) {
		command_text(out, "BLOCK");
		command_u64(out, block_ms(f->tail));
	}
	command_text(out, "STREAMS");
	command_text(out, f->target->stream);
	command_id(out, f->last);
	f->is_asked = true;
	place_send(p, on_read, f);
}

/* Says once that the connection is lost, and once that it is back. */
static void tell_connection(struct follow *f)
{
	bool is_up = home_is_up(&f->target->place.home);

	if (is_up != f->has_lost)
		return;
	f->has_lost = !is_up;
	if (is_up)
		complain("%s: connected again", f->target->stream);
	else
		complain("%s: the connection to Redis is lost; waiting for it", f->target->stream);
}

static bool is_any_asked(const struct tail *t)
{
	for (size_t i = 0; i < t->n_follows; i++) {
		if (t->follows[i].is_asked)
			return true;
	}
	return false;
}

static bool is_wanted(const struct tail *t)
{
	return !t->is_over && !interrupted() && !output_is_closed();
}

/* Asks each stream once. */
static void go_round(struct tail *t)
{
	t->n_new = 0;
	t->has_to_wait = false;
	for (size_t i = 0; i < t->n_follows; i++) {
		tell_connection(&t->follows[i]);
		ask_for_new(&t->follows[i]);
	}
	while (is_any_asked(t) && is_wanted(t))
		link_turn(t->c->link, TURN_MS);
	if (!output_flush())
		t->is_over = true;
	if (t->has_to_wait || (t->n_follows > 1 && !t->n_new))
		link_pause(t->c->link, BETWEEN_MS);
}

/* ---- the command */

static enum ctl_exit begin_all(struct tail *t, struct targets *targets)
{
	enum ctl_exit status = CTL_DONE;

	for (size_t i = 0; i < targets->len && status == CTL_DONE; i++) {
		struct follow *f = &t->follows[i];

		*f = (struct follow){
			.tail = t,
			.target = &targets->items[i],
			.page = pagesize_begin(),
		};
		status = target_open(t->c, f->target);
		if (status == CTL_DONE)
			status = begin(f);
	}
	return status;
}

static enum ctl_exit follow_all(struct tail *t, struct targets *targets)
{
	enum ctl_exit status;

	interrupt_catch();
	status = begin_all(t, targets);
	while (status == CTL_DONE && is_wanted(t))
		go_round(t);
	return t->is_over ? CTL_FAILED : status;
}

enum ctl_exit tail_run(struct ctl *c)
{
	struct tail t = { .c = c };
	struct targets targets;
	enum ctl_exit status = targets_find(c, &targets);

	if (status != CTL_DONE)
		return status;
	t.n_follows = targets.len;
	t.follows = xcalloc(targets.len, sizeof(*t.follows));
	status = follow_all(&t, &targets);
	/* What is unanswered is answered now, to those who asked. */
	targets_done(&targets);
	free(t.follows);
	entryview_done(&t.view);
	buf_done(&t.json);
	return status;
}
