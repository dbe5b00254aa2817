/* SPDX-License-Identifier: MIT */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "redis/command.h"

enum { BOUND_MS = 10000 };

size_t fixture_n_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void on_looking(struct ev_loop *ev, ev_prepare *w, int events)
{
	struct fixture *f = w->data;

	(void)ev;
	(void)events;
	if (f->until && f->until(f))
		loop_stop(f->loop);
}

static void on_bound(struct ev_loop *ev, ev_timer *w, int events)
{
	struct fixture *f = w->data;

	(void)ev;
	(void)events;
	f->out_of_time = true;
	loop_stop(f->loop);
}

struct fixture *fixture_new(void)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->n_fds_before = fixture_n_fds();
	strcpy(f->folder, "/tmp/sluiced-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	f->log_fd = open(f->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	log_setup(&(struct log_settings){ .level = LEVEL_DEBUG,
	    .format = LOG_FORMAT_JSON,
	    .instance = "test",
	    .fd = f->log_fd });
	f->loop = loop_new();
	fakeserver_start(&f->server, f->loop, f->folder);
	f->settings = (struct redis_settings){ .connect_timeout_ms = 5000,
		.reconnect_initial_ms = 4,
		.reconnect_max_ms = 20,
		.keepalive_ms = 15000 };
	f->settings.url.socket_path = xstrdup(f->server.path);
	f->host = (struct redis_host){ .loop = f->loop,
		.resolver = resolver_new(f->loop),
		.settings = &f->settings };
	ev_prepare_init(&f->looking, on_looking);
	ev_set_priority(&f->looking, EV_MINPRI);
	f->looking.data = f->bound.data = f;
	ev_prepare_start(loop_ev(f->loop), &f->looking);
	ev_init(&f->bound, on_bound);
	f->bound.data = f;
	return f;
}

void fixture_tcp(struct fixture *f, const char *host)
{
	fakeserver_stop(&f->server);
	fakeserver_start(&f->server, f->loop, NULL);
	free(f->settings.url.socket_path);
	f->settings.url.socket_path = NULL;
	f->settings.url.host = xstrdup(host);
	f->settings.url.port = f->server.port;
}

/* Threads of cancelled lookups may have a file open for a while yet. */
static void wait_descriptors_closed(size_t n_before)
{
	for (int i = 0; fixture_n_fds() > n_before; i++) {
		assert_true(i < 5000);
		usleep(1000);
	}
}

void fixture_free(struct fixture *f)
{
	conn_free(f->conn);
	fakeserver_stop(&f->server);
	ev_prepare_stop(loop_ev(f->loop), &f->looking);
	ev_timer_stop(loop_ev(f->loop), &f->bound);
	resolver_free(f->host.resolver);
	redis_host_done(&f->host);
	loop_free(f->loop);
	log_setup(&(struct log_settings){ .level = LEVEL_INFO,
	    .format = LOG_FORMAT_TEXT,
	    .fd = STDERR_FILENO });
	close(f->log_fd);
	redisurl_done(&f->settings.url);
	rmdir(f->folder);
	buf_done(&f->events);
	wait_descriptors_closed(f->n_fds_before);
	free(f);
}

void fixture_run(struct fixture *f, bool (*until)(struct fixture *f))
{
	f->until = until;
	f->out_of_time = false;
	loop_timer_in(f->loop, &f->bound, BOUND_MS);
	loop_run(f->loop);
	ev_timer_stop(loop_ev(f->loop), &f->bound);
	f->until = NULL;
	if (f->out_of_time)
		fail_msg("waited in vain; events: %s\n%s", fixture_events(f), fixture_log(f));
}

void fixture_run_ms(struct fixture *f, uint64_t ms)
{
	f->until = NULL;
	loop_timer_in(f->loop, &f->bound, ms);
	loop_run(f->loop);
}

void fixture_note(struct fixture *f, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_append(&f->events, " ", buf_len(&f->events) > 0);
	buf_append_text(&f->events, text);
}

const char *fixture_events(struct fixture *f)
{
	const char *seen;

	buf_append_char(&f->events, '\0');
	seen = buf_data(&f->events);
	buf_clear(&f->events);
	return seen;
}

const char *fixture_log(struct fixture *f)
{
	ssize_t n;

	log_flush();
	n = pread(f->log_fd, f->log, sizeof(f->log) - 1, 0);
	f->log[n > 0 ? n : 0] = '\0';
	return f->log;
}

bool fixture_has_logged(struct fixture *f, const char *part)
{
	return strstr(fixture_log(f), part);
}

void fixture_on_up(void *owner)
{
	struct fixture *f = owner;

	f->n_up++;
	fixture_note(f, "up");
}

void fixture_on_down(void *owner)
{
	struct fixture *f = owner;

	f->n_down++;
	fixture_note(f, "down");
}

void fixture_on_reply(void *owner, void *number, const struct reply *r)
{
	struct slice text = reply_text(r);

	((struct fixture *)owner)->n_replies++;
	if (!r)
		fixture_note(owner, "%d:NULL", (int)(intptr_t)number);
	else if (r->type == REPLY_INTEGER)
		fixture_note(owner, "%d:%d", (int)(intptr_t)number, (int)r->integer);
	else if (r->type == REPLY_ARRAY)
		fixture_note(owner, "%d:[%zu]", (int)(intptr_t)number, reply_len(r));
	else
		fixture_note(owner, "%d:%.*s", (int)(intptr_t)number, (int)text.len, text.data);
}

void fixture_conn(struct fixture *f)
{
	f->conn = conn_new(&(struct conn_spec){ .host = &f->host,
	    .client_name = "sluiced.test",
	    .consumer = "orders",
	    .owner = f,
	    .on_up = fixture_on_up,
	    .on_down = fixture_on_down });
}

void fixture_send(struct fixture *f, int number, const char *command, uint64_t within_ms)
{
	struct buf *out = conn_out(f->conn);
	size_t n_words = 1;

	for (const char *p = command; *p; p++)
		n_words += *p == ' ';
	command_open(out, n_words);
	for (const char *p = command; p; p = strchr(p, ' ')) {
		p += *p == ' ';
		command_slice(out, (struct slice){ p, strcspn(p, " ") });
	}
	conn_expect(f->conn, within_ms, fixture_on_reply, f, (void *)(intptr_t)number);
}

void fixture_connect(struct fixture *f)
{
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, fixture_is_up);
	assert_string_equal(fixture_events(f), "up");
	fakeserver_commands(&f->server);
}

bool fixture_is_up(struct fixture *f)
{
	return f->n_up > f->n_down;
}
