/* SPDX-License-Identifier: MIT */
/*
 * Owns the socket of a connection, its TLS, the bytes that wait to be sent and the watchers of both
 * directions.
 *
 * Invariant: any callback of the owner may close the wire, so after one nothing is done with it
 * before fd was looked at.
 */
#include "redis/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS_PER_TURN = 4 /* of LOOP_SCRATCH_BYTES: other connections get their turn */ };

static void watch(struct wire *w, ev_io *io, bool wanted)
{
	if (wanted && !ev_is_active(io))
		ev_io_start(loop_ev(w->loop), io);
	else if (!wanted)
		ev_io_stop(loop_ev(w->loop), io);
}

static void watch_both(struct wire *w)
{
	bool is_sending = buf_len(&w->out) > 0;

	watch(w, &w->readable,
	    w->recv_wants == EV_READ || (is_sending && w->send_wants == EV_READ));
	watch(w, &w->writable,
	    w->recv_wants == EV_WRITE || (is_sending && w->send_wants == EV_WRITE));
}

static int event_of(ssize_t tls_result)
{
	return tls_result == TLS_WANTS_WRITE ? EV_WRITE : EV_READ;
}

static void break_plain(struct wire *w, const char *why)
{
	struct fault fault = { .why = "" };

	fault_set(&fault, "%s", why);
	w->on_broken(w->owner, &fault);
}

static void break_tls(struct wire *w)
{
	w->on_broken(w->owner, tls_fault(w->tls));
}

/* ---- sending: bytes sent, 0 when it has to wait, -1 when it is broken and the owner knows */

static ssize_t send_plain(struct wire *w)
{
	ssize_t n;

	do
		n = send(w->fd, buf_data(&w->out), buf_len(&w->out), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN)
		return 0;
	break_plain(w, strerror(errno));
	return -1;
}

static ssize_t send_tls(struct wire *w)
{
	ssize_t n = tls_send(w->tls, buf_data(&w->out), buf_len(&w->out));

	if (n == TLS_BROKEN) {
		break_tls(w);
		return -1;
	}
	w->send_wants = n > 0 ? EV_WRITE : event_of(n);
	return n > 0 ? n : 0;
}

void wire_flush(struct wire *w)
{
	while (buf_len(&w->out)) {
		ssize_t n = w->tls ? send_tls(w) : send_plain(w);

		if (n < 0)
			return;
		if (n == 0)
			break;
		buf_consume(&w->out, (size_t)n);
	}
	if (!buf_len(&w->out))
		buf_give_back(&w->out, w->spare_out);
	watch_both(w);
}

/* ---- receiving: whether there may be more at once */

static bool receive_plain(struct wire *w)
{
	char *scratch = loop_scratch(w->loop);
	ssize_t n = recv(w->fd, scratch, LOOP_SCRATCH_BYTES, 0);

	if (n > 0)
		return w->on_bytes(w->owner, scratch, (size_t)n) && n == LOOP_SCRATCH_BYTES;
	if (n == 0)
		break_plain(w, "closed by the server");
	else if (errno != EAGAIN && errno != EINTR)
		break_plain(w, strerror(errno));
	return false;
}

static bool receive_tls(struct wire *w)
{
	char *scratch = loop_scratch(w->loop);
	ssize_t n = tls_recv(w->tls, scratch, LOOP_SCRATCH_BYTES);

	if (n == TLS_BROKEN) {
		break_tls(w);
		return false;
	}
	w->recv_wants = n > 0 ? EV_READ : event_of(n);
	if (n > 0)
		return w->on_bytes(w->owner, scratch, (size_t)n) && tls_holds_more(w->tls);
	watch_both(w);
	return false;
}

static void receive(struct wire *w)
{
	for (int i = 0; i < READS_PER_TURN; i++) {
		if (!(w->tls ? receive_tls(w) : receive_plain(w)))
			return;
	}
	/* The socket does not tell of what TLS holds. */
	if (w->tls)
		loop_timer_in(w->loop, &w->again, 0);
}

/* ---- the TLS handshake */

static void shake_hands(struct wire *w)
{
	int r = tls_handshake(w->tls);

	if (r == TLS_BROKEN) {
		break_tls(w);
		return;
	}
	w->recv_wants = r ? event_of(r) : EV_READ;
	watch_both(w);
	if (r)
		return;
	w->is_secure = true;
	w->on_secure(w->owner);
	/* What the server said first may have come with the end of the handshake. */
	if (w->fd >= 0)
		receive(w);
}

/* ---- the socket's events */

static void on_readable(struct ev_loop *ev, ev_io *io, int events)
{
	struct wire *w = io->data;

	(void)ev;
	(void)events;
	if (!w->is_secure) {
		shake_hands(w);
		return;
	}
	receive(w);
	if (w->fd >= 0 && w->send_wants == EV_READ)
		wire_flush(w);
}

static void on_writable(struct ev_loop *ev, ev_io *io, int events)
{
	struct wire *w = io->data;

	(void)ev;
	(void)events;
	if (!w->is_secure) {
		shake_hands(w);
		return;
	}
	if (w->recv_wants == EV_WRITE)
		receive(w);
	if (w->fd >= 0)
		wire_flush(w);
}

static void on_again(struct ev_loop *ev, ev_timer *timer, int events)
{
	(void)ev;
	(void)events;
	receive(timer->data);
}

/* ---- public */

void wire_init(struct wire *w)
{
	w->fd = -1;
	ev_init(&w->readable, on_readable);
	ev_init(&w->writable, on_writable);
	ev_init(&w->again, on_again);
	w->readable.data = w->writable.data = w->again.data = w;
}

struct buf *wire_out(struct wire *w)
{
	buf_borrow(&w->out, w->spare_out);
	return &w->out;
}

static void take_socket(struct wire *w, int fd)
{
	w->fd = fd;
	w->send_wants = EV_WRITE;
	w->recv_wants = EV_READ;
	ev_io_set(&w->readable, fd, EV_READ);
	ev_io_set(&w->writable, fd, EV_WRITE);
}

void wire_open(struct wire *w, int fd)
{
	take_socket(w, fd);
	w->is_secure = true;
	ev_io_start(loop_ev(w->loop), &w->readable);
}

void wire_open_tls(struct wire *w, int fd, const struct tls_spec *spec)
{
	struct fault fault = { .why = "" };

	take_socket(w, fd);
	w->is_secure = false;
	if (tls_new(spec, fd, &w->tls, &fault))
		w->on_broken(w->owner, &fault);
	else
		shake_hands(w);
}

void wire_close(struct wire *w)
{
	ev_io_stop(loop_ev(w->loop), &w->readable);
	ev_io_stop(loop_ev(w->loop), &w->writable);
	ev_timer_stop(loop_ev(w->loop), &w->again);
	tls_free(w->tls);
	w->tls = NULL;
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	buf_done(&w->out);
}
