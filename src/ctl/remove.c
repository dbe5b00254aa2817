/* SPDX-License-Identifier: MIT */
/*
 * `consumers rm`. XGROUP DELCONSUMER drops what is pending for the consumer: so that nothing is, is
 * looked at in the script that removes it, and before that everything is handed over, if wanted.
 * What has lost its data cannot be handed over, as XCLAIM drops it too; it is recorded and
 * acknowledged, as a daemon does with it. Where that cannot be done here, the consumer stays.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "core/deadletter.h"
#include "core/slot.h"
#include "ctl/confirm.h"
#include "ctl/consumers.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/script.h"
#include "ctl/target.h"

enum {
	PAGE_ROWS = 100,
	HOST_SIZE = 256,
	/* A reader shows up each time its BLOCK is over. Where that is not known: */
	BLOCK_MS = 5000,
	MARGIN_MS = 1000,
};

struct removal {
	struct ctl *ctl;
	struct targets targets;
	const char *name; /* the consumer that goes */
	bool is_handover;
	/* What a look has found. */
	size_t n_there;
	uint64_t n_pending, idle_ms;
	struct progress progress;
};

/* What became of it in one stream. */
struct outcome_here {
	bool is_removed;
	uint64_t n_pending, n_given, n_recorded, n_left;
};

/* ---- asking the script */

struct answer {
	enum { CONSUMER_NONE, CONSUMER_PENDING, CONSUMER_REMOVED } word;
	uint64_t n_pending, idle_ms;
};

static enum ctl_exit ask_remove(struct removal *r, struct target *t, bool is_dry,
    struct answer *ret_answer)
{
	enum ctl_exit status = target_open(r->ctl, t);
	const struct reply *reply;
	struct buf *out;
	struct slice word;

	if (status != CTL_DONE)
		return status;
	out = place_eval(&t->place, script_remove, 1, 4);
	command_text(out, t->stream);
	command_text(out, t->group);
	command_text(out, "");
	command_text(out, r->name);
	command_text(out, is_dry ? "1" : "0");
	if (is_dry)
		place_reads(&t->place);
	status = target_ask(t, &reply);
	if (status != CTL_DONE)
		return status;
	word = reply_text(reply_at(reply, 0));
	*ret_answer = (struct answer){
		.word = slice_is(word, "none")      ? CONSUMER_NONE
		        : slice_is(word, "pending") ? CONSUMER_PENDING
		                                    : CONSUMER_REMOVED,
		.n_pending = (uint64_t)reply_integer(reply_at(reply, 1)),
		.idle_ms = (uint64_t)reply_integer(reply_at(reply, 2)),
	};
	return CTL_DONE;
}

/* ---- handing over */

/* What becomes of entries whose data is gone: the daemon of that configuration would do the same.
 */
static const char *fate_of(const struct removal *r, const struct target *t)
{
	if (!t->settings)
		return "leave";
	if (!t->dead_letters)
		return "acknowledge";
	if (ctl_redis(r->ctl)->cluster &&
	    slot_of_key(slice_of(t->stream)) != slot_of_key(slice_of(t->dead_letters)))
		return "leave";
	return "record";
}

static void append_metadata(const struct removal *r, const struct target *t, struct buf *out)
{
	struct slice pairs[2 * DEADLETTER_PAIRS];
	struct buf scratch = { 0 };
	char host[HOST_SIZE] = "";
	const struct deadletter d = {
		.stream = t->stream,
		.group = t->group,
		.consumer = r->name,
		.reason = DEAD_TRIMMED,
		.failure = FAILURE_NONE,
		.detail = slice_of(""),
		.handler = t->settings->name,
		.host = host,
		.stderr_tail = slice_of(""),
	};

	gethostname(host, sizeof(host) - 1);
	deadletter_pairs(&d, &scratch, pairs);
	for (int i = 0; i < 2 * DEADLETTER_PAIRS; i++)
		command_slice(out, pairs[i]);
	buf_done(&scratch);
}

static void write_page(const struct removal *r, struct target *t, const char *start)
{
	const char *fate = fate_of(r, t);
	bool records = strcmp(fate, "record") == 0;
	struct buf *out = place_eval(&t->place, script_handover, records ? 2 : 1,
	    9 + (records ? 2 * DEADLETTER_PAIRS : 0));

	command_text(out, t->stream);
	if (records)
		command_text(out, t->dead_letters);
	command_text(out, t->group);
	command_text(out, target_receiver(r->ctl, t));
	command_text(out, r->name);
	command_text(out, start);
	command_u64(out, PAGE_ROWS);
	command_text(out, fate);
	command_u64(out, records ? t->settings->dead_letter.maxlen : 0);
	command_u64(out, DEADLETTER_ID_AT + 1);
	command_u64(out, DEADLETTER_ATTEMPTS_AT + 1);
	if (records)
		append_metadata(r, t, out);
}

static void add_page(struct outcome_here *o, const struct reply *page)
{
	o->n_given += (uint64_t)reply_integer(reply_at(page, 2));
	o->n_recorded += (uint64_t)reply_integer(reply_at(page, 3));
	o->n_left += (uint64_t)reply_integer(reply_at(page, 4));
}

static enum ctl_exit hand_over(struct removal *r, struct target *t, struct outcome_here *o)
{
	char start[ENTRYID_TEXT_SIZE + 1] = "-";

	while (!interrupted()) {
		const struct reply *page;
		struct slice last, refused;
		enum ctl_exit status;

		write_page(r, t, start);
		status = target_ask(t, &page);
		if (status != CTL_DONE)
			return status;
		add_page(o, page);
		progress_add(&r->progress, (uint64_t)reply_integer(reply_at(page, 0)));
		refused = reply_text(reply_at(page, 5));
		if (refused.len) {
			complain("%s: Redis says: %.*s", t->dead_letters, (int)refused.len,
			    refused.data);
			return CTL_FAILED;
		}
		if (reply_integer(reply_at(page, 0)) < PAGE_ROWS)
			return CTL_DONE;
		last = reply_text(reply_at(page, 1));
		snprintf(start, sizeof(start), "(%.*s", (int)last.len, last.data);
	}
	complain("interrupted: %s is still there, with what was not handed over", r->name);
	return CTL_FAILED;
}

/* ---- the account */

static void print_outcome(const struct removal *r, const struct target *t,
    const struct outcome_here *o)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	json_object_begin(&j);
	json_pair_text(&j, "stream", t->stream);
	json_pair_text(&j, "group", t->group);
	json_pair_text(&j, "consumer", r->name);
	json_pair_bool(&j, "removed", o->is_removed);
	json_pair_u64(&j, "handed_over", o->n_given);
	json_pair_u64(&j, "recorded", o->n_recorded);
	json_pair_u64(&j, "pending", o->n_pending);
	json_pair_bool(&j, "dry_run", args_has(&r->ctl->args, OPTION_DRY_RUN));
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

static void tell_outcome(const struct removal *r, const struct target *t,
    const struct outcome_here *o)
{
	if (r->ctl->json) {
		print_outcome(r, t, o);
		return;
	}
	if (o->n_given)
		printf("%llu %s of %s handed over to %s.\n", (unsigned long long)o->n_given,
		    entries_word(o->n_given), t->stream, target_receiver(r->ctl, t));
	if (o->n_recorded)
		printf("%llu %s of %s whose data was gone %s.\n", (unsigned long long)o->n_recorded,
		    entries_word(o->n_recorded), t->stream,
		    t->dead_letters ? "recorded as dead letters" : "acknowledged");
	if (o->is_removed)
		printf("%s removed from %s.\n", r->name, t->stream);
}

static void tell_left(const struct removal *r, const struct target *t, const struct outcome_here *o)
{
	if (o->n_left)
		complain(
		    "%s: %s stays: the data of %llu of its entries is gone from the stream, and "
		    "they cannot be handed over; a daemon records them once they are idle for "
		    "claim.min_idle",
		    t->stream, r->name, (unsigned long long)o->n_left);
	else
		complain("%s: %s stays: %llu entries have become pending for it meanwhile: is a "
		         "daemon at work under that name?",
		    t->stream, r->name, (unsigned long long)o->n_pending);
}

/* ---- the command */

static enum ctl_exit remove_from(struct removal *r, struct target *t)
{
	struct outcome_here o = { 0 };
	struct answer a = { 0 };
	enum ctl_exit status = CTL_DONE;

	if (r->is_handover)
		status = hand_over(r, t, &o);
	if (status == CTL_DONE)
		status = ask_remove(r, t, false, &a);
	progress_end(&r->progress);
	o.is_removed = status == CTL_DONE && a.word == CONSUMER_REMOVED;
	o.n_pending = a.n_pending;
	tell_outcome(r, t, &o);
	if (status != CTL_DONE || a.word != CONSUMER_PENDING)
		return status;
	tell_left(r, t, &o);
	return CTL_FAILED;
}

static enum ctl_exit look(struct removal *r)
{
	enum ctl_exit status = CTL_DONE;

	r->idle_ms = UINT64_MAX;
	for (size_t i = 0; i < r->targets.len && status == CTL_DONE; i++) {
		struct answer a = { 0 };

		status = ask_remove(r, &r->targets.items[i], true, &a);
		if (status != CTL_DONE || a.word == CONSUMER_NONE)
			continue;
		r->n_there++;
		r->n_pending += a.n_pending;
		if (a.idle_ms < r->idle_ms)
			r->idle_ms = a.idle_ms;
	}
	if (status == CTL_DONE && !r->n_there) {
		complain("there is no consumer \"%s\" in the group %s", r->name,
		    r->targets.items[0].group);
		status = CTL_MISSING;
	}
	return status;
}

static bool is_at_work(const struct removal *r)
{
	const struct consumer_settings *s = r->targets.items[0].settings;

	return r->idle_ms < (s ? s->read.block_ms : BLOCK_MS) + MARGIN_MS;
}

/* What there is, for a program that asked with --dry-run. */
static enum ctl_exit print_all(struct removal *r)
{
	enum ctl_exit status = CTL_DONE;

	for (size_t i = 0; i < r->targets.len && status == CTL_DONE && r->ctl->json; i++) {
		struct answer a = { 0 };

		status = ask_remove(r, &r->targets.items[i], true, &a);
		if (status == CTL_DONE && a.word != CONSUMER_NONE)
			print_outcome(r, &r->targets.items[i],
			    &(struct outcome_here){ .n_pending = a.n_pending });
	}
	return status;
}

static enum consent ask_user(const struct removal *r)
{
	const struct target *t = &r->targets.items[0];
	struct buf text = { 0 };
	enum consent consent;

	buf_printf(&text, "%s will be removed from the group %s of ", r->name, t->group);
	if (r->n_there == 1 && r->targets.len == 1)
		buf_append_text(&text, t->stream);
	else
		buf_printf(&text, "%zu streams", r->n_there);
	if (r->n_pending)
		buf_printf(&text, ", after %llu pending %s been given to %s",
		    (unsigned long long)r->n_pending,
		    r->n_pending == 1 ? "entry has" : "entries have", target_receiver(r->ctl, t));
	buf_append_char(&text, '.');
	if (is_at_work(r)) {
		buf_append_text(&text, " It was there ");
		human_duration(&text, r->idle_ms);
		buf_append_text(&text, " ago: if a daemon is at work under that name, ");
		buf_append_text(&text,
		    r->n_pending ? "what it runs may run twice" : "it will come back");
		buf_append_char(&text, '.');
	}
	consent = confirm(r->ctl, "%.*s", (int)buf_len(&text), buf_data(&text));
	buf_done(&text);
	return consent;
}

static enum ctl_exit refuse_pending(const struct removal *r)
{
	complain("%s has %llu pending %s, which would be lost: --handover gives them to the "
	         "configured consumer first",
	    r->name, (unsigned long long)r->n_pending, entries_word(r->n_pending));
	return CTL_FAILED;
}

static enum ctl_exit ask_and_remove(struct removal *r)
{
	enum ctl_exit status = look(r);
	enum consent consent;

	if (status != CTL_DONE)
		return status;
	if (r->n_pending && !r->is_handover)
		return refuse_pending(r);
	consent = ask_user(r);
	if (consent != CONSENT_GO)
		return consent == CONSENT_DRY ? print_all(r) : CTL_FAILED;
	progress_begin(&r->progress, "entries handed over", r->n_pending);
	for (size_t i = 0; i < r->targets.len && status == CTL_DONE; i++)
		status = remove_from(r, &r->targets.items[i]);
	return status;
}

static enum ctl_exit check(const struct removal *r)
{
	const char *receiver = target_receiver(r->ctl, &r->targets.items[0]);

	if (!r->is_handover)
		return CTL_DONE;
	if (!receiver) {
		complain("--consumer says to whom entries are handed over");
		return CTL_USAGE;
	}
	if (strcmp(receiver, r->name) == 0) {
		complain("%s is the one that would be given the entries: --consumer names another",
		    receiver);
		return CTL_USAGE;
	}
	return CTL_DONE;
}

enum ctl_exit consumers_rm_run(struct ctl *c)
{
	struct removal r = {
		.ctl = c,
		.name = c->args.words[0],
		.is_handover = args_has(&c->args, OPTION_HANDOVER),
	};
	enum ctl_exit status = targets_find(c, &r.targets);

	if (status == CTL_DONE)
		status = check(&r);
	if (status == CTL_DONE) {
		interrupt_catch();
		status = ask_and_remove(&r);
	}
	targets_done(&r.targets);
	return status;
}
