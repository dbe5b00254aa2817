/* SPDX-License-Identifier: MIT */
/*
 * There is no command that counts entries up to an id, so they are walked through on the server, a
 * page at a time, each small enough to hold nobody up. Only numbers come back.
 */
#include "ctl/trimplan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/fields.h"
#include "ctl/interrupt.h"
#include "ctl/output.h"
#include "ctl/script.h"

/* Where the counting is. */
struct walk {
	char from[ENTRYID_TEXT_SIZE + 1];
	char below[ENTRYID_TEXT_SIZE]; /* empty: no limit */
	uint64_t n_left;
	struct pagesize page;
};

void trim_call(struct target *t, const char *what, const char *amount, const char *exact)
{
	struct buf *out = place_eval(&t->place, script_trim, 1, 6);

	command_text(out, t->stream);
	command_text(out, t->group);
	command_text(out, t->consumer ? t->consumer : "");
	command_text(out, "0"); /* no lock */
	command_text(out, what);
	command_text(out, amount);
	command_text(out, exact);
}

/* ---- how far it goes */

static enum ctl_exit count_groups(struct trimplan *p)
{
	struct target *t = p->target;
	const struct reply *r;

	place_words(&t->place, "XINFO", "GROUPS", t->stream, NULL);
	r = ask(&t->place);
	if (r && !reply_is_error(r)) {
		p->n_groups = reply_len(r);
		return CTL_DONE;
	}
	if (r && redis_error_class(r->text) == REDIS_NOGROUP) {
		complain("there is no stream \"%s\"", t->stream);
		return CTL_MISSING;
	}
	if (r)
		place_complain(&t->place, r);
	return CTL_FAILED;
}

static enum ctl_exit find_length(struct trimplan *p, struct walk *w)
{
	const struct reply *r;
	uint64_t length;

	place_words(&p->target->place, "XLEN", p->target->stream, NULL);
	r = ask_well(&p->target->place);
	if (!r)
		return CTL_FAILED;
	length = (uint64_t)reply_integer(r);
	w->n_left = length > p->amount ? length - p->amount : 0;
	return CTL_DONE;
}

/* What the script would keep; it alone knows the server's clock, and what is finished. */
static enum ctl_exit find_limit(struct trimplan *p, struct walk *w)
{
	char amount[24] = "";
	const struct reply *r;
	struct slice keep;

	if (p->kind == TRIM_OLDER_THAN)
		snprintf(amount, sizeof(amount), "%llu", (unsigned long long)p->amount);
	trim_call(p->target, p->kind == TRIM_OLDER_THAN ? "age" : "acknowledged", amount, "look");
	place_reads(&p->target->place);
	r = ask_well(&p->target->place);
	if (!r)
		return CTL_FAILED;
	keep = reply_text(reply_at(r, 1));
	snprintf(w->below, sizeof(w->below), "%.*s", (int)keep.len, keep.data);
	w->n_left = keep.len ? UINT64_MAX : 0;
	return CTL_DONE;
}

/* ---- pages, with a pause after each as long as it took */

static struct trim_loss *loss_of(struct trimplan *p, struct slice group)
{
	for (size_t i = 0; i < p->n_losses; i++) {
		if (slice_is(group, p->losses[i].group))
			return &p->losses[i];
	}
	p->losses = xreallocarray(p->losses, p->n_losses + 1, sizeof(*p->losses));
	p->losses[p->n_losses] = (struct trim_loss){ .group = xstrndup(group.data, group.len) };
	return &p->losses[p->n_losses++];
}

static void add_losses(struct trimplan *p, const struct reply *page)
{
	for (size_t i = 3; i + 2 < reply_len(page); i += 3) {
		struct trim_loss *l = loss_of(p, reply_text(reply_at(page, i)));

		l->n_unread += (uint64_t)reply_integer(reply_at(page, i + 1));
		l->n_pending += (uint64_t)reply_integer(reply_at(page, i + 2));
	}
}

static const struct reply *ask_page(struct trimplan *p, const struct walk *w, uint64_t most)
{
	struct buf *out = place_eval(&p->target->place, script_trim_page, 1, 6);

	command_text(out, p->target->stream);
	command_text(out, p->target->group);
	command_text(out, "");
	command_text(out, w->from);
	command_u64(out, most);
	command_text(out, w->below);
	command_text(out, p->kind == TRIM_ACKNOWLEDGED ? "" : "1");
	place_reads(&p->target->place);
	return ask_well(&p->target->place);
}

/* Whether there may be more. */
static bool add_page(struct trimplan *p, struct walk *w, const struct reply *page, uint64_t most)
{
	uint64_t n = (uint64_t)reply_integer(reply_at(page, 0));

	if (!n || entryid_parse(reply_text(reply_at(page, 1)), &p->last))
		return false;
	p->n_entries += n;
	w->n_left -= n;
	snprintf(w->from, sizeof(w->from), "(%s", entryid_text(p->last).text);
	pagesize_learn(&w->page, (size_t)reply_integer(reply_at(page, 2)));
	add_losses(p, page);
	return n == most && w->n_left;
}

static enum ctl_exit count(struct trimplan *p, struct ctl *c, struct walk *w,
    struct progress *progress)
{
	bool more = w->n_left > 0;

	while (more && !interrupted()) {
		uint64_t most = w->page.n < w->n_left ? w->page.n : w->n_left;
		uint64_t began_ms = clock_mono_ms();
		const struct reply *page = ask_page(p, w, most);

		if (!page)
			return CTL_FAILED;
		progress_add(progress, (uint64_t)reply_integer(reply_at(page, 0)));
		more = add_page(p, w, page, most);
		link_pause(c->link, clock_mono_ms() - began_ms);
	}
	return CTL_DONE;
}

enum ctl_exit trimplan_make(struct trimplan *p, struct ctl *c, struct progress *progress)
{
	struct walk w = { .from = "-", .page = pagesize_begin() };
	enum ctl_exit status = target_open(c, p->target);

	if (status == CTL_DONE)
		status = count_groups(p);
	if (status == CTL_DONE)
		status = p->kind == TRIM_MAXLEN ? find_length(p, &w) : find_limit(p, &w);
	return status == CTL_DONE ? count(p, c, &w, progress) : status;
}

/* ---- in words */

static void say_loss(const struct trim_loss *l, struct buf *to)
{
	buf_printf(to, " The group \"%s\" has ", l->group);
	if (l->n_unread)
		buf_printf(to, "%llu of them still to read", (unsigned long long)l->n_unread);
	if (l->n_unread && l->n_pending)
		buf_append_text(to, " and ");
	if (l->n_pending)
		buf_printf(to, "%llu of them still to acknowledge",
		    (unsigned long long)l->n_pending);
	buf_append_text(to, ".");
}

void trimplan_say(const struct trimplan *p, struct buf *to)
{
	buf_printf(to, "%llu %s of %s, up to %s, will be removed.",
	    (unsigned long long)p->n_entries, entries_word(p->n_entries), p->target->stream,
	    entryid_text(p->last).text);
	for (size_t i = 0; i < p->n_losses; i++)
		say_loss(&p->losses[i], to);
}

void trimplan_done(struct trimplan *p)
{
	for (size_t i = 0; i < p->n_losses; i++)
		free(p->losses[i].group);
	free(p->losses);
	*p = (struct trimplan){ 0 };
}
