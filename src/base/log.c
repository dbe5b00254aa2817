/* SPDX-License-Identifier: MIT */
/*
 * Owns the process-wide log: level, form and the bytes not yet written.
 *
 * Standard error is shared with whoever started us, so O_NONBLOCK must not be set on it. Instead
 * poll() asks first and at most PIPE_BUF bytes are written at a time: a pipe that polls writable
 * takes that much without blocking, and so does a terminal in practice; sockets are sent to with
 * MSG_DONTWAIT.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

enum {
	FLUSH_AT_BYTES = 32 * 1024,
	KEEP_AT_MOST_BYTES = 1024 * 1024,
	MESSAGE_MAX_BYTES = 16 * 1024,
};

static const char *const level_words[LOG_LEVELS] = {
	[LEVEL_ERROR] = "error",
	[LEVEL_WARNING] = "warning",
	[LEVEL_NOTICE] = "notice",
	[LEVEL_INFO] = "info",
	[LEVEL_DEBUG] = "debug",
};

static const char *const event_words[LOG_EVENT_COUNT] = {
#define X(name, word) [EVENT_##name] = word,
	LOG_EVENTS(X)
#undef X
};

static struct {
	enum log_level level;
	enum log_format format;
	const char *instance;
	int fd;
	struct buf pending;
	uint64_t dropped_total, dropped_unsaid;
} state = { .level = LEVEL_INFO, .format = LOG_FORMAT_TEXT, .instance = "default", .fd = 2 };

void log_setup(const struct log_settings *s)
{
	log_flush();
	state.level = s->level;
	state.format = s->format == LOG_FORMAT_JSON ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
	state.instance = s->instance;
	state.fd = s->fd;
}

int log_level_parse(struct slice word, enum log_level *ret_level)
{
	for (unsigned i = 0; i < LOG_LEVELS; i++) {
		if (slice_is(word, level_words[i])) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool log_enabled(enum log_level level)
{
	return level <= state.level;
}

uint64_t log_dropped_total(void)
{
	return state.dropped_total;
}

static void format_time(char *out, size_t size)
{
	uint64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm utc;
	char date[24];

	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out, size, "%s.%03uZ", date, (unsigned)(now % 1000));
}

/* One row for each optional field, in the order in which they are printed. */
struct field {
	const char *name;
	const char *text;
	struct log_number number;
};

enum { FIELD_ROWS = 12 };

static void list_fields(const struct log_fields *f, struct field rows[FIELD_ROWS])
{
	const struct field all[FIELD_ROWS] = {
		{ .name = "consumer", .text = f->consumer },
		{ .name = "stream", .text = f->stream },
		{ .name = "group", .text = f->group },
		{ .name = "entry_id", .text = f->entry_id },
		{ .name = "attempt", .number = f->attempt },
		{ .name = "outcome", .text = f->outcome },
		{ .name = "failure", .text = f->failure },
		{ .name = "exit_status", .number = f->exit_status },
		{ .name = "signal", .text = f->signal },
		{ .name = "handler_pid", .number = f->handler_pid },
		{ .name = "duration_ms", .number = f->duration_ms },
		{ .name = "delay_ms", .number = f->delay_ms },
	};

	memcpy(rows, all, sizeof(all));
}

static void append_json(struct buf *to, enum log_level level, enum log_event event,
    const struct field *rows, struct slice message)
{
	struct json j = { .to = to };
	char now[40];

	format_time(now, sizeof(now));
	json_object_begin(&j);
	json_key(&j, "time");
	json_text(&j, now);
	json_key(&j, "level");
	json_text(&j, level_words[level]);
	json_key(&j, "event");
	json_text(&j, event_words[event]);
	json_key(&j, "message");
	json_append_lossy(to, message);
	j.after_key = false;
	json_key(&j, "instance");
	json_text(&j, state.instance);
	for (unsigned i = 0; i < FIELD_ROWS; i++) {
		if (rows[i].text) {
			json_key(&j, rows[i].name);
			json_text(&j, rows[i].text);
		} else if (rows[i].number.set) {
			json_key(&j, rows[i].name);
			json_u64(&j, rows[i].number.value);
		}
	}
	json_object_end(&j);
	buf_append_char(to, '\n');
}

static void append_text(struct buf *to, enum log_level level, enum log_event event,
    const struct field *rows, struct slice message)
{
	char now[40];

	format_time(now, sizeof(now));
	buf_printf(to, "%s %s %s: ", now, level_words[level], event_words[event]);
	text_append_printable(to, message);
	for (unsigned i = 0; i < FIELD_ROWS; i++) {
		if (rows[i].text) {
			buf_printf(to, " %s=", rows[i].name);
			text_append_printable(to, slice_of(rows[i].text));
		} else if (rows[i].number.set) {
			buf_printf(to, " %s=%llu", rows[i].name,
			    (unsigned long long)rows[i].number.value);
		}
	}
	buf_append_char(to, '\n');
}

static void append_line(struct buf *to, enum log_level level, enum log_event event,
    const struct log_fields *fields, struct slice message)
{
	static const struct log_fields none;
	struct field rows[FIELD_ROWS];

	list_fields(fields ? fields : &none, rows);
	if (state.format == LOG_FORMAT_JSON)
		append_json(to, level, event, rows, message);
	else
		append_text(to, level, event, rows, message);
}

static void log_line(enum log_level level, enum log_event event, const struct log_fields *fields,
    struct slice message)
{
	if (buf_len(&state.pending) > KEEP_AT_MOST_BYTES) {
		state.dropped_total++;
		state.dropped_unsaid++;
		return;
	}
	append_line(&state.pending, level, event, fields, message);
	if (level <= LEVEL_NOTICE || buf_len(&state.pending) > FLUSH_AT_BYTES)
		log_flush();
}

void log_event(enum log_level level, enum log_event event, const struct log_fields *fields,
    const char *format, ...)
{
	int saved = errno, n;
	char message[MESSAGE_MAX_BYTES];
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	n = vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (n >= (int)sizeof(message))
		n = (int)sizeof(message) - 1;
	if (n >= 0)
		log_line(level, event, fields, (struct slice){ message, (size_t)n });
	errno = saved;
}

void log_output(enum log_level level, const struct log_fields *fields, struct slice line)
{
	if (log_enabled(level))
		log_line(level, EVENT_OUTPUT, fields, line);
}

/* Bytes written, or -1 when nothing can be written now. */
static ssize_t write_some(const char *data, size_t len)
{
	struct pollfd ask = { .fd = state.fd, .events = POLLOUT };
	ssize_t n = send(state.fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0 || errno != ENOTSOCK)
		return n;
	if (poll(&ask, 1, 0) != 1 || !(ask.revents & POLLOUT))
		return -1;
	return write(state.fd, data, len < PIPE_BUF ? len : PIPE_BUF);
}

static void write_pending(void)
{
	while (buf_len(&state.pending)) {
		ssize_t n = write_some(buf_data(&state.pending), buf_len(&state.pending));

		if (n <= 0)
			break;
		buf_consume(&state.pending, (size_t)n);
	}
}

/* Whether there was something to own up to, and room to say so. */
static bool own_up_to_drops(void)
{
	char text[80];
	int n;

	if (!state.dropped_unsaid || buf_len(&state.pending) > KEEP_AT_MOST_BYTES / 2)
		return false;
	n = snprintf(text, sizeof(text), "%llu log lines dropped: standard error did not take them",
	    (unsigned long long)state.dropped_unsaid);
	state.dropped_unsaid = 0;
	append_line(&state.pending, LEVEL_WARNING, EVENT_LOG_DROPPED, NULL,
	    (struct slice){ text, (size_t)n });
	return true;
}

void log_flush(void)
{
	int saved = errno;

	write_pending();
	/* Here, and not with the next line: there may be no next line for hours. */
	if (own_up_to_drops())
		write_pending();
	if (!buf_len(&state.pending) && state.pending.cap > 4 * FLUSH_AT_BYTES)
		buf_done(&state.pending);
	errno = saved;
}

bool log_limit_pass(struct log_limit *l, uint64_t now_ms, uint64_t interval_ms,
    uint64_t *ret_held_back)
{
	if (now_ms < l->open_at_ms) {
		l->held_back++;
		return false;
	}
	*ret_held_back = l->held_back;
	l->held_back = 0;
	l->open_at_ms = now_ms + interval_ms;
	return true;
}
