/* SPDX-License-Identifier: MIT */
/*
 * The life of a worker process: started, given entries, watched by a clock, ended, replaced. What
 * it says is obey.c's.
 *
 * The invariant: an entry in `held` has had no verdict; it leaves `held` with its verdict and by
 * no other way. A run is over when the worker says so or when the process is reaped, never
 * before: an entry that timed out waits until its worker is dead.
 */
#include "handler/worker.h"

#include <stdlib.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "handler/crew.h"
#include "handler/obey.h"

enum {
	RESTART_FIRST_MS = 100,
	RESTART_MAX_MS = 30 * 1000,
	RESTART_RESET_MS = 60 * 1000,
	/* A worker that ends with status 0 but never gave a verdict is restarted at once only when
	 * it lived this long, or a command that ends by itself would be started without pause. */
	SERVICE_MIN_MS = 1000,
};

static const uint64_t never_ms = UINT64_MAX;

uint32_t worker_room(const struct worker *w)
{
	if (w->state != WORKER_UP || w->paused || w->alone || w->feed.full)
		return 0;
	return (uint32_t)w->common->settings->window - w->held.n;
}

void worker_room_appeared(struct worker *w)
{
	crew_worker_changed(w->crew, w);
	if (w->room)
		common_room(w->common);
}

/* --- clocks ----------------------------------------------------------------------------------- */

static uint64_t clock_start(const struct worker *w)
{
	uint64_t start;

	if (w->common->settings->parallel)
		return held_earliest_clock(&w->held);
	start = held_oldest(&w->held)->clock_at_ms;
	return start > w->oldest_since_ms ? start : w->oldest_since_ms;
}

/* When something must be done if nothing happens until then. */
static uint64_t due_ms(const struct worker *w)
{
	const struct handler_settings *s = w->common->settings;

	switch ((enum worker_state)w->state) {
	case WORKER_STARTING:
		return w->started_at_ms + s->start_timeout_ms;
	case WORKER_UP:
		return w->held.n ? clock_start(w) + s->timeout_ms : never_ms;
	case WORKER_LEAVING:
		return w->held.n && !w->broke ? clock_start(w) + s->timeout_ms : w->leave_by_ms;
	case WORKER_DOWN:
	case WORKER_DYING:
	case WORKER_STATE_COUNT:
		break;
	}
	return never_ms;
}

void worker_set_clock(struct worker *w)
{
	uint64_t due = due_ms(w);

	if (due == never_ms)
		ev_timer_stop(loop_ev(w->common->loop), &w->clock);
	else
		loop_timer_in(w->common->loop, &w->clock,
		    due > worker_now_ms(w) ? due - worker_now_ms(w) : 0);
}

static void begin_to_leave(struct worker *w)
{
	const struct handler_settings *s = w->common->settings;

	w->leave_by_ms = worker_now_ms(w) + (w->broke ? s->kill_grace_ms : s->timeout_ms);
	worker_set_clock(w);
}

static void set_why(struct worker *w, char *why)
{
	free(w->why);
	w->why = why;
}

void worker_broke(struct worker *w, struct slice why)
{
	set_why(w, xstrndup(why.data ? why.data : "", why.len));
}

void worker_leave(struct worker *w)
{
	if (w->state != WORKER_STARTING && w->state != WORKER_UP)
		return;
	crew_worker_event(w->crew, w, WORKER_LEAVE);
	begin_to_leave(w);
}

void worker_terminate(struct worker *w, enum kill_cause cause)
{
	w->cause = cause;
	crew_worker_event(w->crew, w, WORKER_KILLED);
	worker_set_clock(w);
	child_terminate(&w->child);
}

/* Side by side all that have run too long are to blame, else the one that is being done. */
static void mark_timed_out(struct worker *w)
{
	uint64_t timeout_ms = w->common->settings->timeout_ms;

	if (!w->common->settings->parallel) {
		held_oldest(&w->held)->timed_out = true;
		return;
	}
	for (uint32_t n = w->held.first; n != w->held.last; n++) {
		struct held_slot *slot = held_numbered(&w->held, n);

		if (slot->entry && slot->clock_at_ms + timeout_ms <= worker_now_ms(w))
			slot->timed_out = true;
	}
}

static void overdue(struct worker *w)
{
	if (w->state == WORKER_STARTING) {
		worker_terminate(w, KILL_START);
	} else if (w->held.n && !w->broke) {
		mark_timed_out(w);
		worker_terminate(w, KILL_TIMEOUT);
	} else {
		worker_terminate(w, KILL_OVERDUE);
	}
}

static void on_clock(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct worker *w = container_of(timer, struct worker, clock);

	(void)ev;
	(void)events;
	/* After a stall of the loop the verdict may have been waiting longer than the timer. */
	child_read(&w->child);
	if (due_ms(w) == never_ms) {
		held_trim(&w->held);
		feed_trim(&w->feed);
	} else if (due_ms(w) > worker_now_ms(w)) {
		worker_set_clock(w);
	} else if (!child_has_exited(&w->child)) {
		overdue(w);
	}
}

/* --- entries ---------------------------------------------------------------------------------- */

void worker_take(struct worker *w, struct entry *e, const struct fields *f)
{
	uint64_t line_at;

	common_number(w->common, e);
	e->run = w;
	w->alone = e->suspect;
	line_at = feed_entry(&w->feed, &w->common->line, e, f);
	held_push(&w->held, e, line_at, e->handed_at_ms);
	if (!ev_is_active(&w->clock))
		worker_set_clock(w);
	crew_worker_changed(w->crew, w);
}

void worker_settle(struct worker *w, struct held_slot *slot, const struct outcome *o)
{
	struct entry *e = slot->entry;

	if (slot == held_oldest(&w->held))
		w->oldest_since_ms = worker_now_ms(w);
	held_remove(&w->held, slot);
	w->alone = false;
	crew_worker_changed(w->crew, w);
	common_settle(w->common, e, o);
	if (!w->held.n && w->state == WORKER_LEAVING)
		begin_to_leave(w);
}

static enum held_place place_of(const struct held_slot *slot, const struct held_slot *oldest,
    uint64_t read_to)
{
	if (slot->timed_out)
		return HELD_TIMED_OUT;
	if (slot->line_at >= read_to)
		return HELD_UNREAD;
	return slot == oldest ? HELD_OLDEST : HELD_BEHIND;
}

static uint32_t count_read(const struct held *h, uint64_t read_to)
{
	uint32_t n_read = 0;

	for (uint32_t n = h->first; n != h->last; n++) {
		if (held_numbered(h, n)->entry && held_numbered(h, n)->line_at < read_to)
			n_read++;
	}
	return n_read;
}

static struct outcome outcome_of_end(const struct worker *w, const struct worker_end *end,
    enum held_place place, struct ending_text *text)
{
	struct outcome o;

	if (!w->why || place == HELD_TIMED_OUT)
		return ending_of_held(end, place, text);
	o = ending_of_worker(end, text);
	o.detail = slice_of(w->why);
	return o;
}

/* Gives all entries back; returns whether a verdict was "broken". */
static bool give_back(struct worker *w, const struct worker_end *end, uint64_t read_to)
{
	const struct held_slot *oldest = held_oldest(&w->held);
	struct ending_text text = { "" };
	bool told_broken = false;

	for (uint32_t n = w->held.first; n != w->held.last; n++) {
		struct held_slot *slot = held_numbered(&w->held, n);
		struct outcome o;

		if (!slot->entry)
			continue;
		o = outcome_of_end(w, end, place_of(slot, oldest, read_to), &text);
		told_broken |= o.verdict == VERDICT_BROKEN;
		worker_settle(w, slot, &o);
	}
	return told_broken;
}

/* --- its end ---------------------------------------------------------------------------------- */

static void start_in(struct worker *w, uint64_t delay_ms)
{
	if (w->common->draining || w->retired)
		return;
	if (delay_ms)
		loop_timer_in(w->common->loop, &w->restart, delay_ms);
	else
		crew_start_soon(w->crew, w);
}

static bool ended_well(const struct worker *w, const struct worker_end *end)
{
	bool served = w->served || worker_now_ms(w) - w->started_at_ms >= SERVICE_MIN_MS;

	return end->end.wait_status == 0 && !end->n_read && served && !w->broke &&
	       (end->end.cause == KILL_NONE || end->end.cause == KILL_OVERDUE);
}

static uint64_t restart_delay_ms(struct worker *w, bool well)
{
	if (worker_now_ms(w) - w->started_at_ms >= RESTART_RESET_MS)
		backoff_reset(&w->backoff);
	return well ? 0 : backoff_next_ms(&w->backoff, 0);
}

static void log_end(const struct worker *w, const struct worker_end *end, uint64_t delay_ms)
{
	struct log_fields fields = common_log_fields(w->common, w->child.pid);
	struct ending_text text = { "" };
	int status = end->end.wait_status;
	bool expected = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !end->n_read;

	ending_of_worker(end, &text);
	if (WIFEXITED(status))
		fields.exit_status = log_number((uint64_t)WEXITSTATUS(status));
	else
		fields.signal = signal_name(WTERMSIG(status));
	fields.duration_ms = log_number(worker_now_ms(w) - w->started_at_ms);
	fields.delay_ms = (struct log_number){ .set = delay_ms != 0, .value = delay_ms };
	log_event(expected ? LEVEL_INFO : LEVEL_WARNING, EVENT_WORKER_ENDED, &fields,
	    "worker ended: %s; entries unfinished: %u", text.text, w->held.n);
}

static struct worker_end describe_end(const struct worker *w, uint64_t read_to)
{
	const struct handler_settings *s = w->common->settings;

	return (struct worker_end){
		.end = {
			.pid = w->child.pid,
			.wait_status = w->child.wait_status,
			.cause = w->cause,
			.timeout_ms = s->timeout_ms,
			.stderr_tail = output_tail(&w->child.output),
		},
		.codes = &s->exit_codes,
		.proven = w->proven,
		.parallel = s->parallel,
		.alone = w->alone,
		.n_read = count_read(&w->held, read_to),
	};
}

/* The breaker hears of every broken worker once, whether it had entries or not. */
static void tell_if_broken(struct worker *w, const struct worker_end *end)
{
	struct ending_text text = { "" };
	struct outcome o = ending_of_worker(end, &text);

	if (w->why)
		o.detail = slice_of(w->why);
	else if (w->broke || w->common->draining || !ending_is_broken(end))
		return;
	common_broken(w->common, &o);
}

static void on_exit_of_worker(struct child *c)
{
	struct worker *w = container_of(c, struct worker, child);
	uint64_t read_to = feed_read_to(&w->feed), delay_ms;
	struct worker_end end;
	bool well;

	child_close(c);
	end = describe_end(w, read_to);
	well = ended_well(w, &end);
	delay_ms = restart_delay_ms(w, well);
	log_end(w, &end, w->common->draining ? 0 : delay_ms);
	w->common->counters.workers_ended++;
	ev_timer_stop(loop_ev(w->common->loop), &w->clock);
	ev_timer_stop(loop_ev(w->common->loop), &w->pause);
	crew_worker_event(w->crew, w, WORKER_REAPED);
	if (!give_back(w, &end, read_to) && !well)
		tell_if_broken(w, &end);
	set_why(w, NULL);
	feed_close(&w->feed);
	child_done(c);
	start_in(w, delay_ms);
}

static void on_output_end(struct child *c)
{
	/* Its end is its exit. */
	(void)c;
}

static const struct entry *subject(struct child *c)
{
	const struct worker *w = container_of(c, struct worker, child);

	return w->held.n == 1 ? held_oldest(&w->held)->entry : NULL;
}

static const struct child_events child_events = {
	.on_line = obey_line,
	.on_exit = on_exit_of_worker,
	.on_output_end = on_output_end,
	.subject = subject,
};

/* --- its beginning ---------------------------------------------------------------------------- */

static void begin_service(struct worker *w, int input)
{
	struct log_fields fields = common_log_fields(w->common, w->child.pid);

	w->served = w->proven = w->broke = w->alone = w->paused = false;
	w->cause = KILL_NONE;
	w->n_errors = 0;
	w->started_at_ms = w->oldest_since_ms = worker_now_ms(w);
	feed_open(&w->feed, input);
	feed_widen(&w->feed, w->common->concurrency);
	w->common->counters.workers_started++;
	log_event(LEVEL_INFO, EVENT_WORKER_STARTED, &fields, "worker started");
	crew_worker_event(w->crew, w, WORKER_SPAWNED);
	if (!w->common->settings->ready)
		crew_worker_event(w->crew, w, WORKER_READY);
	worker_set_clock(w);
	worker_room_appeared(w);
}

static void could_not_start(struct worker *w, int error)
{
	uint64_t delay_ms = backoff_next_ms(&w->backoff, 0);
	struct ending_text text = { "" };
	struct outcome o = ending_of_no_start(error, &text);

	common_log_start_failure(w->common, error, delay_ms);
	if (!spawn_error_is_temporary(error))
		common_broken(w->common, &o);
	start_in(w, delay_ms);
}

void worker_start(struct worker *w)
{
	struct child_spec spec = common_child_spec(w->common, &child_events);
	int input, r;

	child_init(&w->child, &spec);
	r = child_start(&w->child, w->common->environment, SPAWN_PIPE, &input);
	if (r)
		could_not_start(w, r);
	else
		begin_service(w, input);
}

static void on_restart(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct worker *w = container_of(timer, struct worker, restart);

	(void)ev;
	(void)events;
	crew_start_soon(w->crew, w);
}

static void on_feed(struct feed *f, enum feed_event event)
{
	struct worker *w = container_of(f, struct worker, feed);

	if (event == FEED_LOST)
		worker_leave(w);
	else
		worker_room_appeared(w);
}

void worker_drain(struct worker *w)
{
	ev_timer_stop(loop_ev(w->common->loop), &w->restart);
	if (w->state == WORKER_DOWN) {
		crew_forget(w->crew, w);
		return;
	}
	worker_leave(w);
	feed_finish(&w->feed);
}

void worker_kill(struct worker *w)
{
	if (w->state != WORKER_DOWN)
		worker_terminate(w, KILL_DRAIN);
}

struct worker *worker_new(struct crew *crew, struct common *common)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	w->crew = crew;
	w->common = common;
	w->state = WORKER_DOWN;
	w->backoff = (struct backoff){ .initial_ms = RESTART_FIRST_MS, .max_ms = RESTART_MAX_MS };
	feed_init(&w->feed, common->loop, on_feed);
	ev_init(&w->clock, on_clock);
	ev_init(&w->pause, obey_pause_over);
	ev_init(&w->restart, on_restart);
	return w;
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	set_why(w, NULL);
	child_done(&w->child);
	feed_close(&w->feed);
	held_done(&w->held);
	ev_timer_stop(loop_ev(w->common->loop), &w->clock);
	ev_timer_stop(loop_ev(w->common->loop), &w->pause);
	ev_timer_stop(loop_ev(w->common->loop), &w->restart);
	crew_forget(w->crew, w);
	free(w);
}
