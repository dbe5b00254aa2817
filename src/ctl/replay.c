/* SPDX-License-Identifier: MIT */
/*
 * The range is read in pages, of which one is held at a time; as much as the handler has room for
 * is handed over. The stream's last id is taken at the start: handlers may add to their own stream.
 */
#include "ctl/replay.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "ctl/confirm.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/program.h"
#include "ctl/progress.h"
#include "ctl/rerun.h"
#include "ctl/target.h"

enum { LOOK_MS = 100 };

struct replay {
	struct ctl *c;
	struct target *target;
	const struct consumer_settings *settings;
	struct handler_settings handler; /* a copy: the command may be another */
	char *program, **words;          /* of that other one */
	const char *from;
	char *to;
	uint64_t length;     /* of the stream; the range holds no more */
	bool is_whole;       /* it is all of it */
	uint64_t per_second; /* 0: no limit */
	uint64_t started_at_ms;
	struct rerun *rerun;
	struct entryview view;
	struct entryid last; /* handed over */
	uint64_t n_offered, n[VERDICT_COUNT];
	bool is_complete; /* everything was handed over */
	struct table *failures;
	struct progress progress;
};

/* ---- what runs */

static const char *command_path(void)
{
	const char *path = getenv("PATH");

	return path ? path : "/usr/local/bin:/usr/bin:/bin";
}

static enum ctl_exit take_command(struct replay *r, char **words, size_t n_words)
{
	r->program = program_find(words[0], command_path());
	if (!r->program) {
		complain("%s is no program that can be run", words[0]);
		return CTL_FAILED;
	}
	/* A list of arguments ends with NULL; that of our own line goes on. */
	r->words = xcalloc(n_words + 1, sizeof(*r->words));
	memcpy(r->words, words, n_words * sizeof(*words));
	r->handler.command = (struct string_list){ r->words, n_words };
	r->handler.program = r->program;
	r->handler.mode = HANDLER_EXEC;
	r->handler.working_directory = NULL; /* as a shell would start it */
	return CTL_DONE;
}

static enum ctl_exit find_handler(struct replay *r)
{
	const struct args *a = &r->c->args;

	r->settings = r->target->settings ? r->target->settings : ctl_default_consumer(r->c);
	if (!r->settings)
		return CTL_FAILED;
	r->handler = r->settings->handler;
	if (a->n_words)
		return take_command(r, a->words, a->n_words);
	if (!r->target->settings) {
		complain("without a consumer of the configuration a command has to follow: "
		         "-- COMMAND");
		return CTL_USAGE;
	}
	if (r->handler.program)
		return CTL_DONE;
	complain("the handler %s cannot be run on this machine", r->handler.command.items[0]);
	return CTL_FAILED;
}

/* ---- the range */

static int check_id(const char *text, const char *end)
{
	struct entryid id;

	return strcmp(text, end) == 0 ? 0 : id_parse_word(text + (*text == '('), &id);
}

/* Above the stream's last entry nothing is meant that is there now. */
static char *pinned(const char *to, struct slice last_text)
{
	struct entryid id, last;

	if (strcmp(to, "+") != 0 && (entryid_parse(last_text, &last) ||
	                                id_parse(to + (*to == '('), &id) || id.ms <= last.ms))
		return xstrdup(to);
	return xasprintf("%.*s", (int)last_text.len, last_text.data);
}

static enum ctl_exit read_stream(struct replay *r, const char *to)
{
	struct place *p = &r->target->place;
	const struct reply *info;

	place_words(p, "XINFO", "STREAM", r->target->stream, NULL);
	info = ask(p);
	if (reply_is_error(info) && slice_is(info->text, "ERR no such key")) {
		complain("there is no stream \"%s\"", r->target->stream);
		return CTL_MISSING;
	}
	if (reply_is_error(info))
		place_complain(p, info);
	if (!info || reply_is_error(info))
		return CTL_FAILED;
	r->length = (uint64_t)reply_integer(xinfo_field(info, "length"));
	r->to = pinned(to, reply_text(xinfo_field(info, "last-generated-id")));
	return CTL_DONE;
}

static enum ctl_exit find_range(struct replay *r)
{
	const char *to = args_text(&r->c->args, OPTION_TO);

	r->from = args_text(&r->c->args, OPTION_FROM);
	r->from = r->from ? r->from : "-";
	to = to ? to : "+";
	if (check_id(r->from, "-") || check_id(to, "+"))
		return CTL_USAGE;
	r->is_whole = strcmp(r->from, "-") == 0 && strcmp(to, "+") == 0;
	return read_stream(r, to);
}

/* A page from `from` on; NULL after saying why there is none. */
static const struct reply *read_page(struct replay *r, const char *from, uint64_t count)
{
	struct place *p = &r->target->place;
	struct buf *out = place_command(p, 6);

	command_text(out, "XRANGE");
	command_text(out, r->target->stream);
	command_text(out, from);
	command_text(out, r->to);
	command_text(out, "COUNT");
	command_u64(out, count);
	place_reads(p);
	return ask_well(p);
}

/* ---- what is told */

static const char *verdict_told(enum verdict v)
{
	return v == VERDICT_RELEASE ? "not finished" : verdict_word(v);
}

static struct slice reason_told(const struct outcome *o)
{
	if (o->detail.len || o->verdict != VERDICT_RELEASE)
		return o->detail;
	return slice_of(o->pid ? "given back, or ended by us" : "it did not come to a run");
}

static void print_failure_json(struct entryid id, const struct outcome *o)
{
	struct buf line = { 0 };
	struct json j = { .to = &line };

	json_object_begin(&j);
	json_pair_id(&j, "id", id);
	json_pair_text(&j, "verdict", verdict_word(o->verdict));
	json_pair_text(&j, "failure", o->failure ? failure_word(o->failure) : NULL);
	json_pair_slice(&j, "reason", reason_told(o));
	json_pair_maybe_u64(&j, "exit_status", o->exit_status >= 0, (uint64_t)o->exit_status);
	json_object_end(&j);
	print_json(&line);
	buf_done(&line);
}

static void print_failure(struct replay *r, struct entryid id, const struct outcome *o)
{
	progress_end(&r->progress);
	if (r->c->json) {
		print_failure_json(id, o);
		return;
	}
	table_text(r->failures, slice_of(entryid_text(id).text));
	table_styled(r->failures, STYLE_BAD, verdict_told(o->verdict));
	table_text(r->failures, reason_told(o));
	table_print(r->failures);
	fflush(stdout);
}

static void on_outcome(void *owner, struct entryid id, const struct outcome *o)
{
	struct replay *r = owner;

	r->n[o->verdict]++;
	if (o->verdict != VERDICT_OK && o->verdict != VERDICT_DROP)
		print_failure(r, id, o);
	progress_add(&r->progress, 1);
}

static void append_subject(struct buf *to, const struct log_fields *fields)
{
	if (fields->entry_id)
		buf_printf(to, "%s: ", fields->entry_id);
	else if (fields->handler_pid.set)
		buf_printf(to, "process %" PRIu64 ": ", fields->handler_pid.value);
	else
		buf_append_text(to, "handler: ");
}

/* What handlers print, with the id it is about where that is known, and what is wrong with them. */
static void on_log(void *owner, enum log_level level, enum log_event event,
    const struct log_fields *fields, struct slice message)
{
	struct replay *r = owner;
	struct buf line = { 0 };

	/* Connections log as well; of consumers only the handler is there. */
	if (!fields->consumer || (event != EVENT_OUTPUT && level > LEVEL_WARNING))
		return;
	append_subject(&line, fields);
	text_append_printable(&line, message);
	buf_append_char(&line, '\n');
	progress_end(&r->progress);
	fflush(stdout);
	fwrite(buf_data(&line), 1, buf_len(&line), stderr);
	buf_done(&line);
}

static void print_totals_json(const struct replay *r)
{
	struct buf line = { 0 };
	struct json j = { .to = &line };

	json_object_begin(&j);
	json_pair_text(&j, "stream", r->target->stream);
	json_pair_text(&j, "handler", r->handler.program);
	json_pair_bool(&j, "complete", r->is_complete);
	json_pair_u64(&j, "entries", r->n_offered);
	for (unsigned v = 0; v < VERDICT_COUNT; v++)
		json_pair_u64(&j, verdict_word((enum verdict)v), r->n[v]);
	json_key(&j, "last_id");
	if (r->n_offered)
		json_text(&j, entryid_text(r->last).text);
	else
		json_null(&j);
	json_object_end(&j);
	print_json(&line);
	buf_done(&line);
}

static void print_totals(const struct replay *r)
{
	const char *before = ": ";

	printf("%" PRIu64 " %s of %s run", r->n_offered, entries_word(r->n_offered),
	    r->target->stream);
	for (unsigned v = 0; v < VERDICT_COUNT; v++) {
		if (!r->n[v])
			continue;
		printf("%s%" PRIu64 " %s", before, r->n[v], verdict_told((enum verdict)v));
		before = ", ";
	}
	puts(".");
}

/* What stopped it, and where to go on: everything up to there was handed over. */
static void complain_of_stop(const struct replay *r)
{
	const char *why = interrupted() ? "interrupted" : "stopped";

	if (r->n_offered)
		complain("%s behind %s; to go on: --from '(%s'", why, entryid_text(r->last).text,
		    entryid_text(r->last).text);
	else
		complain("%s before the first entry", why);
}

static enum ctl_exit account(struct replay *r)
{
	const char *fault = rerun_fault(r->rerun);

	progress_end(&r->progress);
	if (fault)
		complain("the handler cannot work: %s", *fault ? fault : "it says so");
	if (!r->is_complete)
		complain_of_stop(r);
	if (r->c->json)
		print_totals_json(r);
	else
		print_totals(r);
	return r->is_complete && r->n[VERDICT_OK] + r->n[VERDICT_DROP] == r->n_offered ? CTL_DONE
	                                                                               : CTL_FAILED;
}

/* ---- the way of an entry */

static bool is_to_stop(const struct replay *r)
{
	return interrupted() || rerun_fault(r->rerun);
}

/* For how long --rate lets the next entry wait. */
static uint64_t wait_ms(const struct replay *r)
{
	uint64_t now_ms = clock_mono_ms(), due_ms;

	if (!r->per_second)
		return 0;
	due_ms = r->started_at_ms + r->n_offered * 1000 / r->per_second;
	return due_ms > now_ms ? due_ms - now_ms : 0;
}

/* False: it is to stop. */
static bool wait_for_turn(struct replay *r)
{
	uint64_t ms = wait_ms(r);

	while (!is_to_stop(r) && (ms || !rerun_has_room(r->rerun))) {
		rerun_turn(r->rerun, ms && ms < LOOK_MS ? ms : LOOK_MS);
		ms = wait_ms(r);
	}
	return !is_to_stop(r);
}

static bool hand_over_page(struct replay *r, const struct reply *page, struct pagesize *size)
{
	size_t bytes = 0;

	for (size_t i = 0; i < reply_len(page); i++) {
		if (!wait_for_turn(r) || entryview_read(&r->view, reply_at(page, i)))
			return false;
		rerun_offer(r->rerun, r->view.id, &r->view.fields);
		r->last = r->view.id;
		r->n_offered++;
		bytes += fields_bytes(&r->view.fields);
	}
	pagesize_learn(size, bytes);
	return true;
}

/* False: not everything was handed over. */
static bool hand_over_range(struct replay *r)
{
	struct pagesize size = pagesize_begin();
	char *from = xstrdup(r->from);
	const struct reply *page = NULL;
	bool goes_on = true;

	while (goes_on && !is_to_stop(r)) {
		page = read_page(r, from, size.n);
		goes_on = reply_len(page) && hand_over_page(r, page, &size);
		free(from);
		from = xasprintf("(%s", entryid_text(r->last).text);
	}
	free(from);
	return page && !reply_len(page);
}

static void wait_for_end(struct replay *r)
{
	bool is_killed = false;

	/* What comes back is handed over again, so this is no drain yet. */
	while (!is_to_stop(r) && !rerun_is_idle(r->rerun))
		rerun_turn(r->rerun, LOOK_MS);
	rerun_drain(r->rerun);
	if (interrupted() && !rerun_is_over(r->rerun)) {
		progress_end(&r->progress);
		complain("waiting for what runs; a second Ctrl-C ends it");
	}
	while (!rerun_is_over(r->rerun)) {
		if (interrupted_twice() && !is_killed) {
			rerun_kill(r->rerun);
			is_killed = true;
		}
		rerun_turn(r->rerun, LOOK_MS);
	}
}

/* ---- the command */

static enum ctl_exit run(struct replay *r)
{
	struct rerun_spec spec = {
		.link = r->c->link,
		.handler = &r->handler,
		.stream = r->target->stream,
		.group = r->target->group,
		.consumer = r->target->consumer ? r->target->consumer : "sluicectl",
		.max_attempts = r->settings->retry.max_attempts,
		.n_broken_max = r->settings->breaker.failures,
		.on_outcome = on_outcome,
		.owner = r,
	};

	interrupt_catch_two();
	log_setup(&(struct log_settings){ .level = LEVEL_INFO,
	    .instance = "sluicectl",
	    .fd = -1,
	    .take = on_log,
	    .owner = r });
	r->failures = table_new("ID", "VERDICT", "REASON", NULL);
	progress_begin(&r->progress, "entries", r->is_whole ? r->length : 0);
	r->started_at_ms = clock_mono_ms();
	r->rerun = rerun_new(&spec);
	r->is_complete = hand_over_range(r);
	wait_for_end(r);
	return account(r);
}

static enum consent consent(const struct replay *r)
{
	const struct passwd *user = getpwuid(geteuid());
	const char *who = user ? user->pw_name : "this user";
	unsigned long long n = r->length;

	if (r->is_whole)
		return confirm(r->c,
		    "%llu %s of %s will be run by %s as %s; the group %s is not touched.", n,
		    entries_word(n), r->target->stream, r->handler.program, who, r->target->group);
	return confirm(r->c,
	    "The entries of %s from %s to %s, %llu at most, will be run by %s as %s; the group %s "
	    "is not touched.",
	    r->target->stream, r->from, r->to, n, r->handler.program, who, r->target->group);
}

static enum ctl_exit replay(struct replay *r)
{
	enum ctl_exit status = find_handler(r);

	if (status == CTL_DONE)
		status = find_range(r);
	if (status != CTL_DONE)
		return status;
	switch (consent(r)) {
	case CONSENT_GO:
		return run(r);
	case CONSENT_DRY:
		return CTL_DONE;
	case CONSENT_NO:
		break;
	}
	return CTL_FAILED;
}

enum ctl_exit replay_run(struct ctl *c)
{
	struct replay r = {
		.c = c,
		.per_second = args_number(&c->args, OPTION_RATE, 0),
	};
	struct targets targets;
	enum ctl_exit status = target_open_one(c, &targets);

	if (status != CTL_DONE)
		return status;
	r.target = &targets.items[0];
	status = replay(&r);
	rerun_free(r.rerun);
	ctl_keep_log_quiet();
	table_free(r.failures);
	entryview_done(&r.view);
	free(r.program);
	free(r.words);
	free(r.to);
	targets_done(&targets);
	return status;
}
