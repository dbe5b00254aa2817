/* SPDX-License-Identifier: MIT */
/*
 * The end of a process and the end of its output are two events in any order: a background process
 * can hold the pipes for ever, and a handler may close them and run on.
 *
 * What a handler printed before a verdict must be logged before the verdict counts. So the verdict
 * channel is read first, then standard output and error are emptied, and only then are the lines
 * of the channel looked at: whatever preceded one of them was already in a pipe.
 *
 * A signal goes to the group while its leader is not reaped yet, for until then the group's number
 * cannot be another's.
 */
#include "handler/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handler/verdictline.h"

enum {
	OUTPUT_CHUNK_BYTES = 16 * 1024,
	READ_PER_TURN_BYTES = 64 * 1024,
	/* A pipe holds a MiB at most, so that much is there when its writer has ended. */
	READ_AT_EXIT_ROUNDS = 16,
	UNKILLABLE_AFTER_MS = 10000,
};

static bool on_stdout(const struct child *c)
{
	return c->settings->verdicts == VERDICTS_STDOUT;
}

static struct tube *channel_of(struct child *c)
{
	return on_stdout(c) ? &c->out : &c->fd3;
}

static bool is_open(const struct tube *t)
{
	return t->io.fd >= 0;
}

static void log_line(struct child *c, enum log_level level, struct slice line)
{
	const struct entry *e = c->events->subject(c);
	struct log_fields fields = {
		.consumer = c->output.consumer,
		.handler_pid = log_number((uint64_t)c->pid),
	};
	struct entryid_text id;

	if (e) {
		id = entryid_text(e->id);
		fields.stream = e->origin->stream;
		fields.group = e->origin->group;
		fields.entry_id = id.text;
		fields.attempt = log_number(e->attempts);
	}
	output_line(&c->output, level, &fields, line);
}

static void on_out_line(struct lines *l, struct slice line, enum line_end end)
{
	struct child *c = container_of(l, struct child, out.lines);

	if (!on_stdout(c) || !c->events->on_line(c, line, end))
		log_line(c, LEVEL_INFO, line);
}

static void on_err_line(struct lines *l, struct slice line, enum line_end end)
{
	(void)end;
	log_line(container_of(l, struct child, err.lines), LEVEL_WARNING, line);
}

static void on_fd3_line(struct lines *l, struct slice line, enum line_end end)
{
	struct child *c = container_of(l, struct child, fd3.lines);

	c->events->on_line(c, line, end);
}

/* --- reading ---------------------------------------------------------------------------------- */

static void close_tube(struct child *c, struct tube *t)
{
	if (!is_open(t))
		return;
	ev_io_stop(loop_ev(c->loop), &t->io);
	close(t->io.fd);
	ev_io_set(&t->io, -1, EV_READ);
	lines_finish(&t->lines);
}

/* Bytes read; 0 at the end of file; -1 when there is nothing now. */
static ssize_t read_tube(struct tube *t, char *to, size_t size)
{
	ssize_t n;

	do
		n = read(t->io.fd, to, size);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		return 0;
	return n;
}

/* Returns whether it found anything. */
static bool read_output(struct child *c, struct tube *t)
{
	char chunk[OUTPUT_CHUNK_BYTES];
	size_t total = 0;
	ssize_t n;

	if (!is_open(t))
		return false;
	do {
		n = read_tube(t, chunk, sizeof(chunk));
		if (n > 0 && t == &c->err)
			output_tail_add(&c->output, (struct slice){ chunk, (size_t)n });
		if (n > 0)
			lines_feed(&t->lines, chunk, (size_t)n);
		total += n > 0 ? (size_t)n : 0;
	} while (n == (ssize_t)sizeof(chunk) && total < READ_PER_TURN_BYTES);
	if (n == 0)
		close_tube(c, t);
	return total > 0;
}

/* One poll() instead of two read()s that mostly find nothing. */
static void read_what_was_printed(struct child *c)
{
	struct pollfd ask[2] = {
		{ .fd = on_stdout(c) ? -1 : c->out.io.fd, .events = POLLIN },
		{ .fd = c->err.io.fd, .events = POLLIN },
	};

	if (poll(ask, 2, 0) <= 0)
		return;
	if (ask[0].revents)
		read_output(c, &c->out);
	if (ask[1].revents)
		read_output(c, &c->err);
}

/* Returns whether it found anything. */
static bool read_channel(struct child *c)
{
	struct tube *t = channel_of(c);
	char *data = loop_scratch(c->loop);
	ssize_t n;

	if (!is_open(t))
		return false;
	n = read_tube(t, data, LOOP_SCRATCH_BYTES);
	if (n < 0)
		return false;
	read_what_was_printed(c);
	if (n == 0)
		close_tube(c, t);
	else
		lines_feed(&t->lines, data, (size_t)n);
	return n > 0;
}

bool child_output_ended(const struct child *c)
{
	return !is_open(&c->out) && !is_open(&c->err) && !is_open(&c->fd3);
}

void child_read(struct child *c)
{
	read_channel(c);
	read_output(c, &c->out);
	read_output(c, &c->err);
}

static void watch_tube(struct child *c, struct tube *t)
{
	if (is_open(t))
		ev_io_start(loop_ev(c->loop), &t->io);
}

static void watch_output(struct child *c)
{
	watch_tube(c, &c->out);
	watch_tube(c, &c->err);
	watch_tube(c, &c->fd3);
}

static void tell_end_of_output(struct child *c)
{
	if (child_output_ended(c))
		c->events->on_output_end(c);
}

static void on_channel_readable(struct ev_loop *ev, ev_io *w, int events)
{
	struct child *c = w->data;

	(void)ev;
	(void)events;
	read_channel(c);
	tell_end_of_output(c);
}

static void on_output_readable(struct ev_loop *ev, ev_io *w, int events)
{
	struct child *c = w->data;

	(void)ev;
	(void)events;
	read_output(c, container_of(w, struct tube, io));
	tell_end_of_output(c);
}

/* --- its end ---------------------------------------------------------------------------------- */

static void signal_group(const struct child *c, int signal)
{
	kill(-c->pid, signal);
}

static void on_ladder(struct ev_loop *ev, ev_timer *w, int events)
{
	struct child *c = container_of(w, struct child, ladder);
	struct log_fields fields = {
		.consumer = c->output.consumer,
		.handler_pid = log_number((uint64_t)c->pid),
	};

	(void)ev;
	(void)events;
	if (!c->kill_sent) {
		c->kill_sent = true;
		signal_group(c, SIGKILL);
		loop_timer_in(c->loop, &c->ladder, UNKILLABLE_AFTER_MS);
		return;
	}
	/* In uninterruptible sleep. Its slot stays taken: its entry would run twice at once. */
	log_event(LEVEL_ERROR, EVENT_ALERT, &fields, "process has not ended %d s after SIGKILL",
	    UNKILLABLE_AFTER_MS / 1000);
}

void child_terminate(struct child *c)
{
	if (!c->pid || c->reaped || c->term_sent)
		return;
	c->term_sent = true;
	signal_group(c, SIGTERM);
	signal_group(c, SIGCONT); /* a stopped process would not get to see it */
	loop_timer_in(c->loop, &c->ladder, c->settings->kill_grace_ms);
}

bool child_has_exited(const struct child *c)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == c->pid;
}

static void read_to_the_end(struct child *c)
{
	int rounds = READ_AT_EXIT_ROUNDS;

	while (rounds-- && read_channel(c))
		;
	rounds = READ_AT_EXIT_ROUNDS;
	while (rounds-- && (read_output(c, &c->out) | read_output(c, &c->err)))
		;
}

static void on_child_reaped(struct ev_loop *ev, ev_child *w, int events)
{
	struct child *c = container_of(w, struct child, reaper);

	(void)events;
	ev_child_stop(ev, w);
	ev_timer_stop(ev, &c->ladder);
	ev_timer_stop(ev, &c->watch_later);
	if (c->term_sent)
		signal_group(c, SIGKILL);
	c->reaped = true;
	c->wait_status = w->rstatus;
	read_to_the_end(c);
	watch_output(c);
	c->events->on_exit(c);
}

/* --- life ------------------------------------------------------------------------------------- */

static void tube_init(struct tube *t, struct child *c)
{
	bool is_channel = t == channel_of(c);

	ev_init(&t->io, is_channel ? on_channel_readable : on_output_readable);
	ev_io_set(&t->io, -1, EV_READ);
	t->io.data = c;
	t->lines.max_bytes = is_channel ? VERDICT_LINE_MAX_BYTES : OUTPUT_LINE_MAX_BYTES;
}

static void on_watch_due(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	watch_output(container_of(w, struct child, watch_later));
}

void child_init(struct child *c, const struct child_spec *spec)
{
	*c = (struct child){
		.loop = spec->loop,
		.settings = spec->settings,
		.events = spec->events,
		.watch_after_ms = spec->watch_after_ms,
	};
	output_init(&c->output, &(struct output_settings){
	                            .loop = spec->loop,
	                            .consumer = spec->consumer,
	                            .dropped_total = spec->dropped_total,
	                        });
	lines_init(&c->out.lines, 0, on_out_line);
	lines_init(&c->err.lines, 0, on_err_line);
	lines_init(&c->fd3.lines, 0, on_fd3_line);
	tube_init(&c->out, c);
	tube_init(&c->err, c);
	tube_init(&c->fd3, c);
	ev_init(&c->ladder, on_ladder);
	ev_init(&c->watch_later, on_watch_due);
	ev_init(&c->reaper, on_child_reaped);
}

int child_start(struct child *c, char *const *environment, int stdin_fd, int *ret_input)
{
	struct spawn_spec spec = {
		.settings = c->settings,
		.environment = environment,
		.stdin_fd = stdin_fd,
	};
	struct spawned s;
	int r = spawn_handler(&spec, &s);

	if (r)
		return r;
	c->pid = s.pid;
	c->reaped = c->term_sent = c->kill_sent = false;
	/* Before the loop turns: it reaps every child, watched or not. */
	ev_child_set(&c->reaper, s.pid, 0);
	ev_child_start(loop_ev(c->loop), &c->reaper);
	ev_io_set(&c->out.io, s.output, EV_READ);
	ev_io_set(&c->err.io, s.error, EV_READ);
	ev_io_set(&c->fd3.io, s.verdicts, EV_READ);
	if (c->watch_after_ms)
		loop_timer_in(c->loop, &c->watch_later, c->watch_after_ms);
	else
		watch_output(c);
	*ret_input = s.input;
	return 0;
}

void child_close(struct child *c)
{
	close_tube(c, &c->out);
	close_tube(c, &c->err);
	close_tube(c, &c->fd3);
}

void child_done(struct child *c)
{
	if (!c->pid)
		return;
	ev_child_stop(loop_ev(c->loop), &c->reaper);
	ev_timer_stop(loop_ev(c->loop), &c->ladder);
	ev_timer_stop(loop_ev(c->loop), &c->watch_later);
	if (!c->reaped)
		signal_group(c, SIGKILL);
	lines_done(&c->out.lines);
	lines_done(&c->err.lines);
	lines_done(&c->fd3.lines);
	child_close(c);
	output_done(&c->output);
	c->pid = 0;
}
