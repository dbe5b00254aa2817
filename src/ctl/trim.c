/* SPDX-License-Identifier: MIT */
/*
 * First everything is counted and said, then exactly that is removed: never more than was said, and
 * with --acknowledged never what a group needs at that moment.
 */
#include "ctl/trim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "core/sweep.h"
#include "ctl/confirm.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/trimplan.h"

struct trim {
	struct ctl *ctl;
	struct targets targets;
	struct trimplan *plans; /* of each target */
	struct progress progress;
};

/* ---- the account */

static void print_plan(const struct trimplan *p, uint64_t n_removed, bool is_dry)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	json_object_begin(&j);
	json_pair_text(&j, "stream", p->target->stream);
	json_pair_u64(&j, "entries", p->n_entries);
	if (p->n_entries)
		json_pair_id(&j, "last", p->last);
	else
		json_pair_null(&j, "last");
	json_pair_u64(&j, "removed", n_removed);
	json_key(&j, "losing");
	json_array_begin(&j);
	for (size_t i = 0; i < p->n_losses; i++) {
		json_object_begin(&j);
		json_pair_text(&j, "group", p->losses[i].group);
		json_pair_u64(&j, "unread", p->losses[i].n_unread);
		json_pair_u64(&j, "pending", p->losses[i].n_pending);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_pair_bool(&j, "dry_run", is_dry);
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

static void tell(const struct trim *t, const struct trimplan *p, uint64_t n_removed, bool is_dry)
{
	if (t->ctl->json)
		print_plan(p, n_removed, is_dry);
	else if (!p->n_entries && p->kind == TRIM_ACKNOWLEDGED && !p->n_groups)
		printf("%s has no group: nobody has acknowledged anything.\n", p->target->stream);
	else if (!is_dry || !p->n_entries)
		printf("%llu %s of %s removed.\n", (unsigned long long)n_removed,
		    entries_word(n_removed), p->target->stream);
}

/* ---- counting, and asking */

static enum ctl_exit count_all(struct trim *t)
{
	enum ctl_exit status = CTL_DONE;

	progress_begin(&t->progress, "entries counted", 0);
	for (size_t i = 0; i < t->targets.len && status == CTL_DONE; i++)
		status = trimplan_make(&t->plans[i], t->ctl, &t->progress);
	progress_end(&t->progress);
	if (status == CTL_DONE && interrupted()) {
		complain("interrupted: nothing was removed");
		return CTL_FAILED;
	}
	return status;
}

static uint64_t n_planned(const struct trim *t)
{
	uint64_t n = 0;

	for (size_t i = 0; i < t->targets.len; i++)
		n += t->plans[i].n_entries;
	return n;
}

static enum consent ask_user(const struct trim *t)
{
	struct buf text = { 0 };
	enum consent consent;

	for (size_t i = 0; i < t->targets.len; i++) {
		if (!t->plans[i].n_entries)
			continue;
		if (buf_len(&text))
			buf_append_char(&text, '\n');
		trimplan_say(&t->plans[i], &text);
	}
	consent = confirm(t->ctl, "%.*s", (int)buf_len(&text), buf_data(&text));
	buf_done(&text);
	return consent;
}

/* ---- removing */

/* A step of a thousand entries or so, and a pause three times as long: others come in between. */
static enum ctl_exit step(struct trim *t, const struct trimplan *p, uint64_t *ret_n)
{
	struct entryid_text below = entryid_text(entryid_after(p->last));
	uint64_t began_ms = clock_mono_ms();
	const struct reply *r;

	trim_call(p->target, p->kind == TRIM_ACKNOWLEDGED ? "acknowledged" : "minid", below.text,
	    "1");
	r = ask_well(&p->target->place);
	if (!r)
		return CTL_FAILED;
	*ret_n = (uint64_t)reply_integer(reply_at(r, 1));
	progress_add(&t->progress, *ret_n);
	if (*ret_n)
		link_pause(t->ctl->link, sweep_pause_ms(clock_mono_ms() - began_ms + 1));
	return CTL_DONE;
}

static enum ctl_exit remove_from(struct trim *t, const struct trimplan *p)
{
	uint64_t n = 0, n_removed = 0;
	enum ctl_exit status = CTL_DONE;

	if (p->n_entries) {
		do {
			status = step(t, p, &n);
			n_removed += status == CTL_DONE ? n : 0;
		} while (status == CTL_DONE && n && !interrupted());
	}
	progress_end(&t->progress);
	tell(t, p, n_removed, false);
	return status;
}

static enum ctl_exit remove_all(struct trim *t)
{
	enum ctl_exit status = CTL_DONE;

	progress_begin(&t->progress, "entries removed", n_planned(t));
	for (size_t i = 0; i < t->targets.len && status == CTL_DONE && !interrupted(); i++)
		status = remove_from(t, &t->plans[i]);
	if (status == CTL_DONE && interrupted()) {
		complain("interrupted: the rest was not removed");
		return CTL_FAILED;
	}
	return status;
}

static void tell_all_dry(const struct trim *t, bool is_dry)
{
	for (size_t i = 0; i < t->targets.len; i++)
		tell(t, &t->plans[i], 0, is_dry);
}

static enum ctl_exit count_ask_remove(struct trim *t)
{
	enum ctl_exit status = count_all(t);
	enum consent consent;

	if (status != CTL_DONE)
		return status;
	if (!n_planned(t)) {
		tell_all_dry(t, args_has(&t->ctl->args, OPTION_DRY_RUN));
		return CTL_DONE;
	}
	consent = ask_user(t);
	if (consent == CONSENT_NO)
		return CTL_FAILED;
	if (consent == CONSENT_GO)
		return remove_all(t);
	tell_all_dry(t, true);
	return CTL_DONE;
}

/* ---- the command */

static int kind_of(const struct args *a, enum trim_kind *ret_kind)
{
	static const enum ctl_option options[] = {
		[TRIM_MAXLEN] = OPTION_MAXLEN,
		[TRIM_OLDER_THAN] = OPTION_OLDER_THAN,
		[TRIM_ACKNOWLEDGED] = OPTION_ACKNOWLEDGED,
	};
	unsigned n = 0;

	for (unsigned k = 0; k < ARRAY_LEN(options); k++) {
		if (args_has(a, options[k])) {
			*ret_kind = (enum trim_kind)k;
			n++;
		}
	}
	return n == 1 ? 0 : -EINVAL;
}

static void make_plans(struct trim *t, enum trim_kind kind)
{
	const struct args *a = &t->ctl->args;

	t->plans = xcalloc(t->targets.len, sizeof(*t->plans));
	for (size_t i = 0; i < t->targets.len; i++) {
		t->plans[i] = (struct trimplan){
			.target = &t->targets.items[i],
			.kind = kind,
			.amount = kind == TRIM_MAXLEN ? args_number(a, OPTION_MAXLEN, 0)
			                              : args_number(a, OPTION_OLDER_THAN, 0),
		};
	}
}

enum ctl_exit trim_run(struct ctl *c)
{
	struct trim t = { .ctl = c };
	enum trim_kind kind = TRIM_MAXLEN;
	enum ctl_exit status;

	if (kind_of(&c->args, &kind)) {
		complain("trim takes one of --maxlen N, --older-than D and --acknowledged");
		return CTL_USAGE;
	}
	status = targets_find(c, &t.targets);
	if (status != CTL_DONE)
		return status;
	make_plans(&t, kind);
	interrupt_catch();
	status = count_ask_remove(&t);
	for (size_t i = 0; i < t.targets.len; i++)
		trimplan_done(&t.plans[i]);
	free(t.plans);
	targets_done(&t.targets);
	return status;
}
