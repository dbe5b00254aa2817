/* SPDX-License-Identifier: MIT */
#include "ctl/release.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "ctl/confirm.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/script.h"
#include "ctl/target.h"

enum { BATCH = 100 };

struct release {
	struct ctl *ctl;
	struct target *target;
	struct entryid *ids;
	size_t n_ids;
	bool is_dry;
	/* Of the last look, or the real thing. */
	size_t n_released, n_missing, n_gone;
	size_t n_others; /* of those released: another's than the configured consumer's */
	size_t n_fresh;  /* touched within the lease: perhaps running */
	char *other;     /* one of those */
};

static enum ctl_exit take_ids(struct release *r)
{
	const struct args *a = &r->ctl->args;

	r->ids = xcalloc(a->n_words + 1, sizeof(*r->ids));
	for (; r->n_ids < a->n_words; r->n_ids++) {
		if (id_parse_word(a->words[r->n_ids], &r->ids[r->n_ids]))
			return CTL_USAGE;
	}
	return CTL_DONE;
}

/* ---- answers */

static void print_answer(const struct release *r, struct entryid id, const struct reply *answer)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	json_object_begin(&j);
	json_pair_text(&j, "stream", r->target->stream);
	json_pair_id(&j, "id", id);
	json_pair_slice(&j, "result", reply_text(reply_at(answer, 0)));
	json_pair_slice(&j, "owner", reply_text(reply_at(answer, 1)));
	if (r->is_dry)
		json_pair_bool(&j, "dry_run", true);
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

static void count_released(struct release *r, const struct reply *answer)
{
	const struct target *t = r->target;
	struct slice owner = reply_text(reply_at(answer, 1));
	int64_t idle_ms = reply_integer(reply_at(answer, 2));

	r->n_released++;
	if (t->settings && idle_ms >= 0 && (uint64_t)idle_ms < t->settings->claim.min_idle_ms)
		r->n_fresh++;
	if (!owner.len || (t->consumer && slice_is(owner, t->consumer)))
		return;
	r->n_others++;
	if (!r->other)
		r->other = xstrndup(owner.data, owner.len);
}

static void count(struct release *r, struct entryid id, const struct reply *answer, bool is_told)
{
	struct slice word = reply_text(reply_at(answer, 0));
	struct entryid_text text = entryid_text(id);

	if (slice_is(word, "released"))
		count_released(r, answer);
	else if (slice_is(word, "gone"))
		r->n_gone++;
	else
		r->n_missing++;
	if (!is_told)
		return;
	if (r->ctl->json)
		print_answer(r, id, answer);
	if (slice_is(word, "none"))
		complain("%s is not pending in the group %s of %s", text.text, r->target->group,
		    r->target->stream);
	else if (slice_is(word, "gone"))
		complain("%s: its data is gone from the stream; a daemon will record it",
		    text.text);
}

/* ---- requests */

static enum ctl_exit ask_batch(struct release *r, const struct entryid *ids, size_t n, bool is_told)
{
	struct target *t = r->target;
	struct buf *out = place_eval(&t->place, script_release, 1, 3 + n);
	const struct reply *answers;
	enum ctl_exit status;

	command_text(out, t->stream);
	command_text(out, t->group);
	command_text(out, "");
	command_text(out, r->is_dry ? "1" : "0");
	for (size_t i = 0; i < n; i++)
		command_id(out, ids[i]);
	if (r->is_dry)
		place_reads(&t->place);
	status = target_ask(t, &answers);
	for (size_t i = 0; i < n && status == CTL_DONE; i++)
		count(r, ids[i], reply_at(answers, i), is_told);
	return status;
}

/* With is_told it is the real thing, or a dry run of it; else a look before. */
static enum ctl_exit ask_all(struct release *r, bool is_told)
{
	enum ctl_exit status = CTL_DONE;

	r->n_released = r->n_missing = r->n_gone = r->n_others = r->n_fresh = 0;
	for (size_t i = 0; i < r->n_ids && status == CTL_DONE && !interrupted(); i += BATCH)
		status =
		    ask_batch(r, r->ids + i, r->n_ids - i < BATCH ? r->n_ids - i : BATCH, is_told);
	return status;
}

static enum consent ask_user(struct release *r)
{
	struct buf more = { 0 };
	enum consent consent;

	if (r->n_others == 1)
		buf_printf(&more, " One of them is %s's.", r->other);
	else if (r->n_others)
		buf_printf(&more, " %zu of them are another consumer's (%s).", r->n_others,
		    r->other);
	if (r->n_fresh)
		buf_printf(&more,
		    " %zu may be running just now (idle for less than claim.min_idle) and would "
		    "run twice.",
		    r->n_fresh);
	consent = confirm(r->ctl,
	    "%zu of %zu entries of %s will be given back to the group %s.%.*s", r->n_released,
	    r->n_ids, r->target->stream, r->target->group, (int)buf_len(&more), buf_data(&more));
	buf_done(&more);
	return consent;
}

static enum ctl_exit finish(const struct release *r, enum ctl_exit status)
{
	size_t n_done = r->n_released + r->n_missing + r->n_gone;

	if (!r->ctl->json && (!r->is_dry || !r->n_released))
		printf("%zu %s given back.\n", r->n_released, entries_word(r->n_released));
	if (n_done < r->n_ids)
		complain("%s: the other %zu were not looked at",
		    interrupted() ? "interrupted" : "stopped", r->n_ids - n_done);
	if (status != CTL_DONE)
		return status;
	if (n_done < r->n_ids || r->n_gone)
		return CTL_FAILED;
	return r->n_missing ? CTL_MISSING : CTL_DONE;
}

static enum ctl_exit ask_and_release(struct release *r)
{
	enum ctl_exit status;
	enum consent consent;

	r->is_dry = true;
	status = ask_all(r, false);
	if (status != CTL_DONE)
		return status;
	if (!r->n_released)
		return finish(r, ask_all(r, true));
	consent = ask_user(r);
	if (consent == CONSENT_NO)
		return CTL_FAILED;
	r->is_dry = consent == CONSENT_DRY;
	return finish(r, ask_all(r, true));
}

enum ctl_exit release_run(struct ctl *c)
{
	struct release r = { .ctl = c };
	struct targets targets = { 0 };
	enum ctl_exit status = take_ids(&r);

	if (status == CTL_DONE)
		status = target_open_one(c, &targets);
	if (status == CTL_DONE) {
		r.target = &targets.items[0];
		interrupt_catch();
		status = ask_and_release(&r);
	}
	targets_done(&targets);
	free(r.ids);
	free(r.other);
	return status;
}
