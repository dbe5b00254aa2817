/* SPDX-License-Identifier: MIT */
/*
 * Owns the socket to the service manager, the messages that it has not taken yet, and the two
 * timers: one that looks every second whether there is something to tell, and one that feeds the
 * watchdog. Both are the loop's own, because a daemon whose loop hangs must not be thought alive.
 *
 * sd_notify() is not used because it blocks while the queue of a manager that does not read is
 * full.
 */
#include "daemon/notify.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/text.h"

enum {
	TICK_MS = 1000,
	KEEP_MESSAGES = 8,
	REMARK_MAX_BYTES = 1000, /* systemd reads 4096 bytes of a message */
	/* A daemon that hangs while it drains is given up after EXTEND_MS; one that is at work asks
	 * again long before, for as long as daemon.drain_timeout lets it. */
	EXTEND_MS = 30000,
	EXTEND_EACH_MS = 3000,
};

struct notify {
	struct notify_spec spec;
	int fd;
	struct sockaddr_un to;
	socklen_t to_len;
	char *kept[KEEP_MESSAGES]; /* not taken yet, the oldest first */
	size_t n_kept;
	char *remark;
	char *said; /* the last STATUS */
	bool stopping;
	uint64_t extend_at_ms;
	ev_timer tick, watchdog;
};

static bool send_text(const struct notify *n, const char *text)
{
	return sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
	           (const struct sockaddr *)&n->to, n->to_len) >= 0;
}

/* ---- what must arrive ---- */

static void send_kept(struct notify *n)
{
	size_t sent = 0;

	while (sent < n->n_kept && send_text(n, n->kept[sent]))
		free(n->kept[sent++]);
	n->n_kept -= sent;
	memmove(n->kept, n->kept + sent, n->n_kept * sizeof(n->kept[0]));
}

/* Only the last of them matter to the manager: where the daemon has got to. */
static void forget_oldest(struct notify *n)
{
	free(n->kept[0]);
	n->n_kept--;
	memmove(n->kept, n->kept + 1, n->n_kept * sizeof(n->kept[0]));
}

/* Takes over the text. Behind what is kept already: the order tells how it stands. */
static void tell(struct notify *n, char *text)
{
	if (n->n_kept == KEEP_MESSAGES)
		forget_oldest(n);
	n->kept[n->n_kept++] = text;
	send_kept(n);
}

/* ---- facts ---- */

static char *status_line(const struct notify *n)
{
	struct notify_facts f = n->spec.facts(n->spec.owner);
	struct buf line = { 0 };

	buf_printf(&line, "%zu consumers, %zu connected, %zu held, %llu dead", f.n_consumers,
	    f.n_connected, f.n_held, (unsigned long long)f.n_dead);
	if (n->remark)
		buf_printf(&line, "; %s", n->remark);
	return buf_take_text(&line);
}

static void tell_with_status(struct notify *n, const char *what)
{
	free(n->said);
	n->said = status_line(n);
	tell(n, xasprintf("%s\nSTATUS=%s", what, n->said));
}

/* The manager takes no status that ends within a character. */
static void cut(struct buf *line, size_t max)
{
	if (buf_len(line) <= max)
		return;
	line->end = line->start + max;
	while (buf_len(line) && !text_is_utf8(buf_slice(line)))
		line->end--;
}

static void set_remark(struct notify *n, const char *text)
{
	struct buf line = { 0 };

	free(n->remark);
	n->remark = NULL;
	if (!text)
		return;
	text_append_printable(&line, slice_of(text));
	cut(&line, REMARK_MAX_BYTES);
	n->remark = buf_take_text(&line);
}

/* Facts are outdated when the socket has room again, and are not kept. */
static void tell_status(struct notify *n)
{
	char *line = status_line(n), *text;

	if (n->n_kept || (n->said && strcmp(line, n->said) == 0)) {
		free(line);
		return;
	}
	text = xasprintf("STATUS=%s", line);
	if (send_text(n, text)) {
		free(n->said);
		n->said = line;
	} else {
		free(line);
	}
	free(text);
}

/* ---- timers ---- */

static void extend(struct notify *n)
{
	char *text;

	if (!n->stopping || loop_now_ms(n->spec.loop) < n->extend_at_ms)
		return;
	text = xasprintf("EXTEND_TIMEOUT_USEC=%llu", EXTEND_MS * 1000ULL);
	if (send_text(n, text))
		n->extend_at_ms = loop_now_ms(n->spec.loop) + EXTEND_EACH_MS;
	free(text);
}

static void on_tick(struct ev_loop *ev, ev_timer *w, int events)
{
	struct notify *n = w->data;

	(void)ev;
	(void)events;
	send_kept(n);
	extend(n);
	tell_status(n);
}

static void on_watchdog(struct ev_loop *ev, ev_timer *w, int events)
{
	(void)ev;
	(void)events;
	send_text(w->data, "WATCHDOG=1");
}

/* Microseconds; 0 where no watchdog waits for us: the variables are inherited by children of the
 * one who was meant. */
static uint64_t watchdog_interval_us(void)
{
	const char *interval = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
	uint64_t us, whose;

	if (!interval || parse_u64(slice_of(interval), &us))
		return 0;
	if (pid && (parse_u64(slice_of(pid), &whose) || whose != (uint64_t)getpid()))
		return 0;
	return us;
}

static void start_timer(struct notify *n, ev_timer *timer, double each,
    void (*callback)(struct ev_loop *ev, ev_timer *w, int events))
{
	ev_timer_init(timer, callback, each, each);
	timer->data = n;
	ev_timer_start(loop_ev(n->spec.loop), timer);
}

static void start_timers(struct notify *n)
{
	uint64_t watchdog_us = watchdog_interval_us();

	start_timer(n, &n->tick, TICK_MS / 1000., on_tick);
	ev_init(&n->watchdog, on_watchdog);
	if (watchdog_us)
		start_timer(n, &n->watchdog, (double)watchdog_us / 2e6, on_watchdog);
}

/* ---- from outside ---- */

/* A path, or a name behind @ in the namespace that has no files. */
static int find_address(struct notify *n, const char *name)
{
	const size_t len = strlen(name);

	if (name[0] != '/' && name[0] != '@')
		return -EAFNOSUPPORT;
	if (len >= sizeof(n->to.sun_path))
		return -ENAMETOOLONG;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, name, len);
	if (name[0] == '@')
		n->to.sun_path[0] = '\0';
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
	return 0;
}

static int open_socket(struct notify *n, const char *name)
{
	int r = find_address(n, name);

	if (r)
		return r;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return n->fd < 0 ? -errno : 0;
}

struct notify *notify_new(const struct notify_spec *spec)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct notify *n;
	int r;

	if (!name || !*name)
		return NULL;
	n = xcalloc(1, sizeof(*n));
	n->spec = *spec;
	r = open_socket(n, name);
	if (r) {
		log_event(LEVEL_WARNING, EVENT_CONFIG_WARNING, NULL,
		    "the service manager cannot be told anything, NOTIFY_SOCKET is \"%s\": %s",
		    name, strerror(-r));
		free(n);
		return NULL;
	}
	set_remark(n, "starting");
	start_timers(n);
	return n;
}

void notify_ready(struct notify *n, const char *remark)
{
	if (!n || n->stopping)
		return;
	set_remark(n, remark);
	tell_with_status(n, "READY=1");
}

void notify_reloading(struct notify *n)
{
	char *what;

	if (!n || n->stopping)
		return;
	set_remark(n, "reloading");
	what = xasprintf("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_awake_us());
	tell_with_status(n, what);
	free(what);
}

void notify_stopping(struct notify *n)
{
	char *what;

	if (!n || n->stopping)
		return;
	n->stopping = true;
	n->extend_at_ms = loop_now_ms(n->spec.loop) + EXTEND_EACH_MS;
	set_remark(n, "draining");
	what = xasprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu", EXTEND_MS * 1000ULL);
	tell_with_status(n, what);
	free(what);
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	send_kept(n);
	while (n->n_kept)
		forget_oldest(n);
	ev_timer_stop(loop_ev(n->spec.loop), &n->tick);
	ev_timer_stop(loop_ev(n->spec.loop), &n->watchdog);
	close(n->fd);
	free(n->remark);
	free(n->said);
	free(n);
}
