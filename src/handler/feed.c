/* SPDX-License-Identifier: MIT */
/*
 * Every line of a batch is written as if another followed; when the batch leaves, its last line is
 * corrected. So `more` is true exactly for lines that are followed by another in the same write.
 *
 * A worker that no longer reads is no outcome: its entries wait for its exit or their clocks.
 */
#include "handler/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A worker that does not read gets no more than this ahead of it. */
enum {
	FULL_BYTES = 4 * 1024 * 1024,
	ROOM_BYTES = 1024 * 1024,
	KEEP_BUSY_BYTES = 512 * 1024,
	KEEP_IDLE_BYTES = 16 * 1024,
};

static void close_fd(struct feed *f)
{
	if (f->fd < 0)
		return;
	ev_io_stop(loop_ev(f->loop), &f->io);
	close(f->fd);
	f->fd = -1;
}

static void on_written(struct feed *f)
{
	size_t left = buf_len(&f->out);

	/* A worker that is never idle would keep the room for its largest batch ever. */
	if (!left && f->out.cap > KEEP_BUSY_BYTES)
		buf_done(&f->out);
	if (left)
		ev_io_start(loop_ev(f->loop), &f->io);
	else
		ev_io_stop(loop_ev(f->loop), &f->io);
	if (!left && f->closing)
		close_fd(f);
	if (f->full && left < ROOM_BYTES) {
		f->full = false;
		f->on_event(f, FEED_ROOM);
	}
}

/* The pipe may become writable in the same turn in which lines were added, before its end. */
static void end_batch(struct feed *f)
{
	if (f->says_more)
		entryline_last(&f->out, f->len_after_more);
	f->says_more = false;
}

static void write_out(struct feed *f)
{
	ssize_t n;

	if (f->fd < 0)
		return;
	end_batch(f);
	n = buf_len(&f->out) ? write(f->fd, buf_data(&f->out), buf_len(&f->out)) : 0;
	if (n > 0) {
		f->sent_bytes += (uint64_t)n;
		buf_consume(&f->out, (size_t)n);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		ev_io_stop(loop_ev(f->loop), &f->io);
		f->on_event(f, FEED_LOST);
		return;
	}
	on_written(f);
}

static void on_writable(struct ev_loop *ev, ev_io *w, int events)
{
	(void)ev;
	(void)events;
	write_out(container_of(w, struct feed, io));
}

static void on_turn_end(struct deferred *d)
{
	struct feed *f = container_of(d, struct feed, flush);

	if (!ev_is_active(&f->io))
		write_out(f);
}

void feed_init(struct feed *f, struct loop *loop,
    void (*on_event)(struct feed *f, enum feed_event event))
{
	*f = (struct feed){ .loop = loop, .fd = -1, .on_event = on_event };
	f->flush.run = on_turn_end;
	ev_init(&f->io, on_writable);
}

void feed_open(struct feed *f, int fd)
{
	f->fd = fd;
	f->closing = f->full = f->says_more = false;
	f->sent_bytes = 0;
	ev_io_set(&f->io, fd, EV_WRITE);
}

/* A larger pipe spares turns between the two processes: with four times its usual 64 KiB the daemon
 * took 17, 13 and 1 % less time for an entry in three sets of rounds. The workers of a consumer
 * share a bound, because the kernel gives a user 64 MiB of pipes, and makes those beyond that tiny.
 * What it refuses stays as it is. */
void feed_widen(struct feed *f, uint32_t n_workers)
{
	enum { USUAL_BYTES = 64 * 1024, MAX_BYTES = 256 * 1024, ALL_BYTES = 1024 * 1024 };
	uint32_t bytes = ALL_BYTES / n_workers;

	if (bytes > USUAL_BYTES)
		(void)fcntl(f->fd, F_SETPIPE_SZ, bytes < MAX_BYTES ? bytes : MAX_BYTES);
}

uint64_t feed_entry(struct feed *f, const struct entryline *l, const struct entry *e,
    const struct fields *fields)
{
	uint64_t line_at = f->sent_bytes + buf_len(&f->out);

	f->len_after_more = entryline_append(l, &f->out, e, fields);
	f->says_more = l->batches;
	f->full = buf_len(&f->out) > FULL_BYTES;
	loop_defer(f->loop, &f->flush);
	return line_at;
}

void feed_finish(struct feed *f)
{
	f->closing = true;
	loop_defer(f->loop, &f->flush);
}

uint64_t feed_read_to(const struct feed *f)
{
	int unread = 0;

	/* The pipe keeps what its reader left, as long as our end is open. */
	if (f->fd >= 0 && ioctl(f->fd, FIONREAD, &unread) < 0)
		unread = 0;
	return f->sent_bytes - (uint64_t)unread;
}

void feed_close(struct feed *f)
{
	loop_undefer(f->loop, &f->flush);
	close_fd(f);
	buf_done(&f->out);
	f->says_more = f->full = f->closing = false;
}

void feed_trim(struct feed *f)
{
	if (!buf_len(&f->out) && f->out.cap > KEEP_IDLE_BYTES)
		buf_done(&f->out);
}
