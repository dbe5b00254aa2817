/* SPDX-License-Identifier: MIT */
#include "ctl/claim.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "ctl/confirm.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/progress.h"
#include "ctl/script.h"
#include "ctl/target.h"

enum { PAGE_ROWS = 250 };

struct claim {
	struct ctl *ctl;
	const char *from; /* NULL: anybody's */
	uint64_t min_idle_ms;
	bool is_dry;
	struct progress progress;
};

/* What a walk through the pending list of a target has found. */
struct haul {
	uint64_t n_taken, n_gone;
	struct entryid first_gone;
};

/* ---- pages */

static void write_page(const struct claim *cl, struct target *t, const char *start)
{
	struct buf *out = place_eval(&t->place, script_claim, 1, 7);

	command_text(out, t->stream);
	command_text(out, t->group);
	command_text(out, target_receiver(cl->ctl, t));
	command_u64(out, cl->min_idle_ms);
	command_text(out, cl->from ? cl->from : "");
	command_text(out, cl->is_dry ? "1" : "0");
	command_text(out, start);
	command_u64(out, PAGE_ROWS);
	if (cl->is_dry)
		place_reads(&t->place);
}

static void add_page(struct haul *h, const struct reply *page)
{
	const struct reply *gone = reply_at(page, 3);

	h->n_taken += (uint64_t)reply_integer(reply_at(page, 2));
	if (!h->n_gone && reply_len(gone) &&
	    entryid_parse(reply_text(reply_at(gone, 0)), &h->first_gone))
		h->first_gone = (struct entryid){ 0, 0 };
	h->n_gone += reply_len(gone);
}

static enum ctl_exit walk(struct claim *cl, struct target *t, struct haul *h)
{
	char start[ENTRYID_TEXT_SIZE + 1] = "-";
	enum ctl_exit status = target_open(cl->ctl, t);

	while (status == CTL_DONE && !interrupted()) {
		const struct reply *page;
		struct slice last;

		write_page(cl, t, start);
		status = target_ask(t, &page);
		if (status != CTL_DONE)
			break;
		add_page(h, page);
		progress_add(&cl->progress, (uint64_t)reply_integer(reply_at(page, 0)));
		if (reply_integer(reply_at(page, 0)) < PAGE_ROWS)
			break;
		last = reply_text(reply_at(page, 1));
		snprintf(start, sizeof(start), "(%.*s", (int)last.len, last.data);
	}
	return status;
}

/* ---- the account */

static void print_haul(const struct claim *cl, const struct target *t, const struct haul *h)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	json_object_begin(&j);
	json_pair_text(&j, "stream", t->stream);
	json_pair_text(&j, "group", t->group);
	json_pair_text(&j, "consumer", target_receiver(cl->ctl, t));
	json_pair_u64(&j, "claimed", h->n_taken);
	json_pair_u64(&j, "gone", h->n_gone);
	json_pair_bool(&j, "dry_run", args_has(&cl->ctl->args, OPTION_DRY_RUN));
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

static void tell_haul(const struct claim *cl, const struct target *t, const struct haul *h)
{
	if (cl->ctl->json)
		print_haul(cl, t, h);
	else if (!cl->is_dry || !h->n_taken)
		printf("%llu %s of %s claimed for %s.\n", (unsigned long long)h->n_taken,
		    entries_word(h->n_taken), t->stream, target_receiver(cl->ctl, t));
	if (h->n_gone)
		complain("%s: the data of %llu entries, %s the first, is gone from the stream: "
		         "they stay where they are until a daemon records them",
		    t->stream, (unsigned long long)h->n_gone, entryid_text(h->first_gone).text);
}

/* ---- the command */

static enum ctl_exit count_all(struct claim *cl, struct targets *targets, struct haul *ret_sum)
{
	struct haul sum = { 0 };
	enum ctl_exit status = CTL_DONE;

	cl->is_dry = true;
	progress_begin(&cl->progress, "pending entries looked at", 0);
	for (size_t i = 0; i < targets->len && status == CTL_DONE; i++)
		status = walk(cl, &targets->items[i], &sum);
	progress_end(&cl->progress);
	if (status == CTL_DONE && interrupted()) {
		complain("interrupted: nothing was changed");
		status = CTL_FAILED;
	}
	*ret_sum = sum;
	return status;
}

static enum ctl_exit claim_all(struct claim *cl, struct targets *targets, bool is_dry)
{
	enum ctl_exit status = CTL_DONE;

	cl->is_dry = is_dry;
	progress_begin(&cl->progress, "pending entries looked at", 0);
	for (size_t i = 0; i < targets->len && status == CTL_DONE && !interrupted(); i++) {
		struct haul h = { 0 };

		status = walk(cl, &targets->items[i], &h);
		progress_end(&cl->progress);
		tell_haul(cl, &targets->items[i], &h);
	}
	if (status == CTL_DONE && interrupted()) {
		complain("interrupted: the rest was not claimed");
		status = CTL_FAILED;
	}
	return status;
}

/* Whoever is at work renews what it holds: what is idle for less may be running. */
static const char *warning(const struct claim *cl, const struct target *t)
{
	uint64_t lease_ms = t->settings ? t->settings->claim.min_idle_ms : 0;

	if (cl->min_idle_ms >= lease_ms)
		return "";
	return " Less than claim.min_idle: what is still running would run twice.";
}

static enum consent ask_user(const struct claim *cl, const struct target *t, uint64_t n)
{
	struct buf idle = { 0 };
	enum consent consent;

	human_duration(&idle, cl->min_idle_ms);
	consent =
	    confirm(cl->ctl, "%llu %s of %s, idle for %.*s or longer, will be claimed for %s.%s",
	        (unsigned long long)n, entries_word(n), cl->from ? cl->from : "other consumers",
	        (int)buf_len(&idle), buf_data(&idle), target_receiver(cl->ctl, t), warning(cl, t));
	buf_done(&idle);
	return consent;
}

/* That nothing was found may be a name that was mistyped. */
static enum ctl_exit look_for_owner(struct claim *cl, struct targets *targets)
{
	for (size_t i = 0; i < targets->len; i++) {
		struct target *t = &targets->items[i];
		const struct reply *rows;
		enum ctl_exit status;

		place_words(&t->place, "XINFO", "CONSUMERS", t->stream, t->group, NULL);
		status = target_ask(t, &rows);
		if (status != CTL_DONE)
			return status;
		if (xinfo_named(rows, cl->from))
			return CTL_DONE;
	}
	complain("there is no consumer \"%s\" in the group %s", cl->from, targets->items[0].group);
	return CTL_MISSING;
}

static enum ctl_exit ask_and_claim(struct claim *cl, struct targets *targets)
{
	struct haul found;
	enum ctl_exit status = count_all(cl, targets, &found);
	enum consent consent;

	if (status != CTL_DONE)
		return status;
	if (cl->from && !found.n_taken && !found.n_gone) {
		status = look_for_owner(cl, targets);
		if (status != CTL_DONE)
			return status;
	}
	if (!found.n_taken)
		return claim_all(cl, targets, true);
	consent = ask_user(cl, &targets->items[0], found.n_taken);
	if (consent == CONSENT_NO)
		return CTL_FAILED;
	return claim_all(cl, targets, consent == CONSENT_DRY);
}

static enum ctl_exit check(struct claim *cl, const struct target *t)
{
	const struct args *a = &cl->ctl->args;

	if (!target_receiver(cl->ctl, t)) {
		complain("--consumer says for whom");
		return CTL_USAGE;
	}
	if (!args_has(a, OPTION_MIN_IDLE) && !t->settings) {
		complain("--min-idle says how long nobody must have touched an entry");
		return CTL_USAGE;
	}
	cl->min_idle_ms =
	    args_number(a, OPTION_MIN_IDLE, t->settings ? t->settings->claim.min_idle_ms : 0);
	if (cl->from && strcmp(cl->from, target_receiver(cl->ctl, t)) == 0) {
		complain("%s has its entries already", cl->from);
		return CTL_USAGE;
	}
	return CTL_DONE;
}

enum ctl_exit claim_run(struct ctl *c)
{
	struct claim cl = {
		.ctl = c,
		.from = args_text(&c->args, OPTION_FROM),
	};
	struct targets targets;
	enum ctl_exit status = targets_find(c, &targets);

	if (status != CTL_DONE)
		return status;
	status = check(&cl, &targets.items[0]);
	if (status == CTL_DONE) {
		interrupt_catch();
		status = ask_and_claim(&cl, &targets);
	}
	targets_done(&targets);
	return status;
}
