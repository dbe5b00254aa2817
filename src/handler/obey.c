/* SPDX-License-Identifier: MIT */
/*
 * One function for each kind of line. A line is taken by itself: nothing that one line says
 * changes how the next one is read.
 */
#include "handler/obey.h"

#include "handler/crew.h"
#include "handler/verdictline.h"
#include "handler/worker.h"

enum { ERROR_WINDOW_MS = 60 * 1000, PAUSE_MAX_MS = 24 * 60 * 60 * 1000 };

static void protocol_error(struct worker *w, const char *what)
{
	uint64_t now_ms = worker_now_ms(w);
	uint64_t *place = &w->error_at_ms[w->n_errors % ERRORS_FORGIVEN];
	bool too_many = w->n_errors >= ERRORS_FORGIVEN && now_ms - *place < ERROR_WINDOW_MS;

	common_protocol_error(w->common, w->child.pid, what);
	*place = now_ms;
	w->n_errors++;
	if (too_many && w->state != WORKER_DYING)
		worker_terminate(w, KILL_PROTOCOL);
}

/* Calls act for each entry that a line names and returns whether all of them were outstanding. */
static bool for_each_named(struct worker *w, const struct verdict_line *v, const struct outcome *o,
    void (*act)(struct worker *w, struct held_slot *slot, const struct outcome *o))
{
	struct slice tags = v->tags;
	struct held_slot *slot;
	bool all = true;
	uint64_t tag;

	if (!tags.len) {
		slot = held_oldest(&w->held);
		if (slot)
			act(w, slot, o);
		return slot != NULL;
	}
	while (verdict_line_next_tag(&tags, &tag)) {
		slot = held_find(&w->held, tag);
		if (slot)
			act(w, slot, o);
		else
			all = false;
	}
	return all;
}

static void settle(struct worker *w, struct held_slot *slot, const struct outcome *o)
{
	/* Its verdict is the timeout; what is said of it after that comes too late. */
	if (slot->timed_out)
		return;
	w->served = true;
	if (o->verdict == VERDICT_OK || o->verdict == VERDICT_DROP)
		w->proven = true;
	worker_settle(w, slot, o);
}

static void set_outcome(struct worker *w, const struct verdict_line *v, struct outcome *o)
{
	verdict_line_outcome(v, &w->common->reason, o);
	o->pid = w->child.pid;
	o->stderr_tail = output_tail(&w->child.output);
}

static void obey_verdict(struct worker *w, const struct verdict_line *v)
{
	struct outcome o;
	bool all;

	set_outcome(w, v, &o);
	all = for_each_named(w, v, &o, settle);
	/* What it printed so far was about entries that are settled. */
	if (!w->held.n || !w->common->settings->parallel)
		output_tail_clear(&w->child.output);
	if (!all)
		protocol_error(w, "verdict for an entry that is not outstanding");
}

static void keep_alive(struct worker *w, struct held_slot *slot, const struct outcome *o)
{
	(void)o;
	slot->clock_at_ms = worker_now_ms(w);
}

static void obey_working(struct worker *w, const struct verdict_line *v)
{
	if (!for_each_named(w, v, NULL, keep_alive))
		protocol_error(w, "\"working\" for an entry that is not outstanding");
}

static void obey_ready(struct worker *w)
{
	if (w->state != WORKER_STARTING)
		return;
	crew_worker_event(w->crew, w, WORKER_READY);
	worker_set_clock(w);
	worker_room_appeared(w);
}

static void obey_pause(struct worker *w, uint64_t delay_ms)
{
	w->paused = true;
	loop_timer_in(w->common->loop, &w->pause,
	    delay_ms < PAUSE_MAX_MS ? delay_ms : PAUSE_MAX_MS);
	crew_worker_changed(w->crew, w);
}

void obey_pause_over(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct worker *w = container_of(timer, struct worker, pause);

	(void)ev;
	(void)events;
	w->paused = false;
	worker_room_appeared(w);
}

static void obey_retire(struct worker *w)
{
	worker_leave(w);
	feed_finish(&w->feed);
}

static void obey_broken(struct worker *w, const struct verdict_line *v)
{
	uint32_t before = w->held.n;
	struct outcome o;

	if (w->broke)
		return;
	w->broke = true;
	set_outcome(w, v, &o);
	/* Done side by side, any of them may be under way still. */
	if (w->common->settings->parallel && before) {
		worker_broke(w, o.detail);
		obey_retire(w);
		return;
	}
	for (uint32_t n = w->held.first; n != w->held.last; n++) {
		struct held_slot *slot = held_numbered(&w->held, n);

		if (slot->entry && !slot->timed_out)
			worker_settle(w, slot, &o);
	}
	if (w->held.n == before)
		common_broken(w->common, &o);
	obey_retire(w);
}

static void obey(struct worker *w, const struct verdict_line *v)
{
	switch (v->verb) {
	case VERB_READY:
		obey_ready(w);
		break;
	case VERB_WORKING:
		obey_working(w, v);
		break;
	case VERB_PAUSE:
		obey_pause(w, v->delay_ms);
		break;
	case VERB_RETIRE:
		obey_retire(w);
		break;
	case VERB_BROKEN:
		obey_broken(w, v);
		break;
	case VERB_OK:
	case VERB_RETRY:
	case VERB_DEAD:
	case VERB_DROP:
	case VERB_RELEASE:
	case VERB_COUNT:
		obey_verdict(w, v);
		break;
	}
}

bool obey_line(struct child *c, struct slice line, enum line_end end)
{
	struct worker *w = container_of(c, struct worker, child);
	const struct handler_settings *s = w->common->settings;
	enum tag_rule rule = s->window == 1 ? TAGS_OPTIONAL : TAGS_REQUIRED;
	struct verdict_line v;

	if (end == LINE_UNENDED)
		return false;
	if (end == LINE_WHOLE && !verdict_line_parse(line, rule, &v)) {
		obey(w, &v);
		return true;
	}
	if (s->verdicts == VERDICTS_FD3)
		protocol_error(w, "line that is no verdict");
	return false;
}
