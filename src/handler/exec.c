/* SPDX-License-Identifier: MIT */
/*
 * A run is over when its process has been reaped and its output has ended, or a short while after
 * the former: a background process that holds the pipes does not hold the entry.
 *
 * The invariant: a run is on exactly one of three lists, and its entry has had no verdict as long
 * as it is on `running` or `unstarted`.
 */
#include "handler/exec.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "core/backoff.h"
#include "core/ending.h"
#include "handler/environment.h"
#include "handler/input.h"

enum {
	OUTPUT_GRACE_MS = 200,
	/* The output of what has ended by then is read with its end: watching its pipes would only
	 * wake the loop for each of them as well. */
	WATCH_AFTER_MS = 10,
	START_AGAIN_FIRST_MS = 100,
	START_AGAIN_MAX_MS = 5000,
	BACKGROUND_LOG_INTERVAL_MS = 10000,
};

struct execs {
	struct common *common;
	struct list running;   /* with a process */
	struct list unstarted; /* could not be started: their verdicts are due at the turn's end */
	struct list unused;    /* to be used again */
	struct run_environment environment;
	struct buf input;
	struct backoff backoff;
	ev_timer start_again; /* active: nothing is started, the machine has no room for it */
	struct deferred fail;
};

struct run {
	struct child child;
	struct list_node node;
	struct execs *execs;
	struct entry *entry;
	ev_timer timeout, grace;
	enum kill_cause cause;
	int start_error; /* -errno */
	bool has_said;
	struct outcome said; /* the first terminal verdict; its detail is in `reason` */
	struct buf reason;
};

uint32_t execs_processes(const struct execs *x)
{
	return (uint32_t)x->running.len;
}

uint32_t execs_room(const struct execs *x)
{
	size_t used = x->running.len + x->unstarted.len;

	if (x->common->draining || ev_is_active(&x->start_again) || used >= x->common->concurrency)
		return 0;
	return (uint32_t)(x->common->concurrency - used);
}

/* --- the end of a run ------------------------------------------------------------------------- */

/* Gives the entry back; the room is there before the owner hears of it. */
static void give_back(struct run *r, struct list *from, const struct outcome *o)
{
	struct execs *x = r->execs;
	struct entry *e = r->entry;

	list_remove(from, &r->node);
	r->entry = NULL;
	common_settle(x->common, e, o);
	child_done(&r->child);
	list_append(&x->unused, &r->node);
	common_count_down(x->common, (uint32_t)(x->running.len + x->unstarted.len));
}

static void finish(struct run *r)
{
	struct common *common = r->execs->common;
	struct ending_text text = { "" };
	struct ending end;
	struct outcome o;

	ev_timer_stop(loop_ev(common->loop), &r->grace);
	child_close(&r->child);
	end = (struct ending){
		.pid = r->child.pid,
		.wait_status = r->child.wait_status,
		.cause = r->cause,
		.timeout_ms = common->settings->timeout_ms,
		.stderr_tail = output_tail(&r->child.output),
	};
	o = ending_of_run(&end, &common->settings->exit_codes, r->has_said ? &r->said : NULL,
	    &text);
	give_back(r, &r->execs->running, &o);
}

static void on_grace_over(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct run *r = container_of(timer, struct run, grace);
	struct common *common = r->execs->common;
	struct log_fields fields = common_log_fields(common, r->child.pid);
	uint64_t held_back;

	(void)ev;
	(void)events;
	if (log_limit_pass(&common->background_log, loop_now_ms(common->loop),
	        BACKGROUND_LOG_INTERVAL_MS, &held_back))
		log_event(LEVEL_WARNING, EVENT_OUTPUT, &fields,
		    "left background processes behind that hold its output open");
	finish(r);
}

static void on_exit_of_run(struct child *c)
{
	struct run *r = container_of(c, struct run, child);

	ev_timer_stop(loop_ev(c->loop), &r->timeout);
	if (child_output_ended(c))
		finish(r);
	else
		loop_timer_in(c->loop, &r->grace, OUTPUT_GRACE_MS);
}

static void on_output_end(struct child *c)
{
	if (c->reaped)
		finish(container_of(c, struct run, child));
}

static void on_timeout(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct run *r = container_of(timer, struct run, timeout);

	(void)ev;
	(void)events;
	/* After a stall of the loop its end, or a `working`, may have been waiting longer. */
	child_read(&r->child);
	if (ev_is_active(timer) || child_has_exited(&r->child))
		return;
	if (r->cause == KILL_NONE)
		r->cause = KILL_TIMEOUT;
	child_terminate(&r->child);
}

/* --- what it says ----------------------------------------------------------------------------- */

static void remember(struct run *r, const struct verdict_line *v)
{
	struct outcome *said = &r->said;

	if (r->has_said || r->cause == KILL_TIMEOUT)
		return;
	verdict_line_outcome(v, &r->execs->common->reason, said);
	buf_clear(&r->reason);
	buf_append(&r->reason, said->detail.data, said->detail.len);
	said->detail = buf_slice(&r->reason);
	r->has_said = true;
}

static void keep_alive(struct run *r)
{
	struct common *common = r->execs->common;

	if (!r->child.reaped && r->cause == KILL_NONE)
		loop_timer_in(common->loop, &r->timeout, common->settings->timeout_ms);
}

static bool on_line(struct child *c, struct slice line, enum line_end end)
{
	struct run *r = container_of(c, struct run, child);
	struct verdict_line v;

	if (end == LINE_CUT || verdict_line_parse(line, TAGS_NONE, &v)) {
		if (c->settings->verdicts == VERDICTS_FD3)
			common_protocol_error(r->execs->common, c->pid, "line that is no verdict");
		return false;
	}
	if (v.verb == VERB_WORKING)
		keep_alive(r);
	else if (verb_is_terminal(v.verb))
		remember(r, &v);
	return true;
}

static const struct entry *subject(struct child *c)
{
	return container_of(c, struct run, child)->entry;
}

static const struct child_events child_events = {
	.on_line = on_line,
	.on_exit = on_exit_of_run,
	.on_output_end = on_output_end,
	.subject = subject,
};

/* --- the beginning of a run ------------------------------------------------------------------- */

static struct run *run_new(struct execs *x)
{
	struct list_node *unused = list_pop(&x->unused);
	struct run *r;

	if (unused)
		return container_of(unused, struct run, node);
	r = xcalloc(1, sizeof(*r));
	r->execs = x;
	ev_init(&r->timeout, on_timeout);
	ev_init(&r->grace, on_grace_over);
	return r;
}

static int open_field(const struct stdin_settings *s, const struct fields *f, int *ret_fd)
{
	const struct slice *value = fields_get(f, slice_of(s->field));

	return value ? input_open(*value, ret_fd) : input_open_empty(ret_fd);
}

static int open_line(struct execs *x, const struct entry *e, const struct fields *f, int *ret_fd)
{
	int r;

	buf_clear(&x->input);
	entryline_append(&x->common->line, &x->input, e, f);
	r = input_open(buf_slice(&x->input), ret_fd);
	if (x->input.cap > LOOP_SCRATCH_BYTES)
		buf_done(&x->input);
	return r;
}

static int open_input(struct execs *x, const struct entry *e, const struct fields *f, int *ret_fd)
{
	const struct stdin_settings *s = &x->common->settings->stdin_from;

	switch (s->kind) {
	case STDIN_NONE:
		return input_open_empty(ret_fd);
	case STDIN_FIELD:
		return open_field(s, f, ret_fd);
	case STDIN_JSON:
		break;
	}
	return open_line(x, e, f, ret_fd);
}

static int start(struct run *r, const struct fields *f)
{
	struct execs *x = r->execs;
	struct common *common = x->common;
	struct run_facts facts = {
		.entry = r->entry,
		.fields = f,
		.max_attempts = common->spec.max_attempts,
		.deadline_ms = common->line.deadline_ms,
	};
	char *const *environment;
	int input, unused, error = open_input(x, r->entry, f, &input);

	if (error)
		return error;
	environment =
	    run_environment_fill(&x->environment, common->environment, common->settings, &facts);
	return child_start(&r->child, environment, input, &unused);
}

/* Nothing is started for a while; what is offered meanwhile would only fail as well. */
static void hold_back(struct execs *x, int error)
{
	uint64_t delay_ms = backoff_next_ms(&x->backoff, 0);

	common_log_start_failure(x->common, error, delay_ms);
	loop_timer_in(x->common->loop, &x->start_again, delay_ms);
}

static void could_not_start(struct run *r, int error)
{
	struct execs *x = r->execs;

	r->start_error = error;
	list_append(&x->unstarted, &r->node);
	if (spawn_error_is_temporary(error))
		hold_back(x, error);
	else
		common_log_start_failure(x->common, error, 0);
	loop_defer(x->common->loop, &x->fail);
}

static void on_start_again(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct execs *x = container_of(timer, struct execs, start_again);

	(void)ev;
	(void)events;
	if (execs_room(x))
		common_room(x->common);
}

static void on_fail(struct deferred *d)
{
	struct execs *x = container_of(d, struct execs, fail);

	while (!list_empty(&x->unstarted)) {
		struct run *r = container_of(list_first(&x->unstarted), struct run, node);
		struct ending_text text = { "" };
		struct outcome o = ending_of_no_start(r->start_error, &text);

		if (spawn_error_is_temporary(r->start_error)) {
			o.verdict = VERDICT_RELEASE;
			o.failure = FAILURE_NONE;
		}
		give_back(r, &x->unstarted, &o);
	}
}

void execs_offer(struct execs *x, struct entry *e, const struct fields *f)
{
	struct child_spec spec = common_child_spec(x->common, &child_events);
	struct run *r = run_new(x);
	int error;

	spec.watch_after_ms = WATCH_AFTER_MS;
	common_number(x->common, e);
	e->run = r;
	r->entry = e;
	r->cause = KILL_NONE;
	r->has_said = false;
	child_init(&r->child, &spec);
	error = start(r, f);
	if (error) {
		could_not_start(r, error);
		return;
	}
	backoff_reset(&x->backoff);
	list_append(&x->running, &r->node);
	loop_timer_in(x->common->loop, &r->timeout, x->common->settings->timeout_ms);
}

/* --- all runs --------------------------------------------------------------------------------- */

struct execs *execs_new(struct common *common)
{
	struct execs *x = xcalloc(1, sizeof(*x));

	x->common = common;
	x->backoff = (struct backoff){
		.initial_ms = START_AGAIN_FIRST_MS,
		.max_ms = START_AGAIN_MAX_MS,
	};
	list_init(&x->running);
	list_init(&x->unstarted);
	list_init(&x->unused);
	ev_init(&x->start_again, on_start_again);
	x->fail.run = on_fail;
	return x;
}

void execs_drain(struct execs *x)
{
	common_count_down(x->common, (uint32_t)(x->running.len + x->unstarted.len));
}

void execs_kill(struct execs *x)
{
	list_foreach(&x->running, node) {
		struct run *r = container_of(node, struct run, node);

		if (r->cause == KILL_NONE && !r->child.reaped)
			r->cause = KILL_DRAIN;
		child_terminate(&r->child);
	}
}

void execs_each_process(const struct execs *x,
    void (*visit)(void *context, const struct pool_process *process), void *context)
{
	list_foreach(&x->running, node) {
		const struct run *r = container_of(node, struct run, node);

		visit(context, &(struct pool_process){ .pid = r->child.pid,
		                   .state = WORKER_UP,
		                   .n_entries = 1 });
	}
}

static void free_runs(struct list *runs)
{
	while (!list_empty(runs)) {
		struct run *r = container_of(list_pop(runs), struct run, node);

		ev_timer_stop(loop_ev(r->execs->common->loop), &r->timeout);
		ev_timer_stop(loop_ev(r->execs->common->loop), &r->grace);
		child_done(&r->child);
		buf_done(&r->reason);
		free(r);
	}
}

void execs_free(struct execs *x)
{
	if (!x)
		return;
	free_runs(&x->running);
	free_runs(&x->unstarted);
	free_runs(&x->unused);
	ev_timer_stop(loop_ev(x->common->loop), &x->start_again);
	loop_undefer(x->common->loop, &x->fail);
	run_environment_done(&x->environment);
	buf_done(&x->input);
	free(x);
}
