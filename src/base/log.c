/* SPDX-License-Identifier: MIT */
/*
 * Owns the process-wide log: level, form and the bytes not yet written: lines for standard error,
 * and records for the journal, each behind its length.
 *
 * Standard error is shared with whoever started us, so O_NONBLOCK must not be set on it. Instead
 * poll() asks first and at most PIPE_BUF bytes are written at a time: a pipe that polls writable
 * takes that much without blocking, and so does a terminal in practice; sockets are sent to with
 * MSG_DONTWAIT.
 */
#include "base/log.h"

#include <ctype.h>
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
#include "base/digits.h"
#include "base/journal.h"
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

/* syslog's numbers */
static const char level_priorities[LOG_LEVELS] = {
	[LEVEL_ERROR] = '3',
	[LEVEL_WARNING] = '4',
	[LEVEL_NOTICE] = '5',
	[LEVEL_INFO] = '6',
	[LEVEL_DEBUG] = '7',
};

static const struct {
	const char *word, *message_id;
} events[LOG_EVENT_COUNT] = {
#define X(name, word, message_id) [EVENT_##name] = { word, message_id },
	LOG_EVENTS(X)
#undef X
};

static struct {
	enum log_level level;
	enum log_format format; /* never AUTO */
	bool has_priorities;    /* lines of text begin with them */
	const char *instance;
	int fd;
	struct journal journal;
	log_take_fn *take;
	void *owner;
	struct buf lines, records;
	uint64_t dropped_total, dropped_unsaid;
} state = {
	.level = LEVEL_INFO,
	.format = LOG_FORMAT_TEXT,
	.instance = "default",
	.fd = 2,
	.journal = { .fd = -1 },
};

/* 0 when records can be sent. Once open it stays open: the journal may come back. */
static int open_journal(void)
{
	return state.journal.fd >= 0 ? 0 : journal_open(&state.journal);
}

void log_setup(const struct log_settings *s)
{
	bool on_journal_stream = journal_is_stream(s->fd);
	enum log_format format = s->format;
	int r = 0;

	log_flush();
	if (format == LOG_FORMAT_AUTO)
		format = on_journal_stream ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
	if (format == LOG_FORMAT_JOURNAL && (r = open_journal()))
		format = LOG_FORMAT_TEXT;
	state.level = s->level;
	state.format = format;
	state.has_priorities = on_journal_stream;
	state.instance = s->instance;
	state.fd = s->fd;
	state.take = s->take;
	state.owner = s->owner;
	if (r)
		log_event(LEVEL_WARNING, EVENT_CONFIG_WARNING, NULL,
		    "the journal takes no records, the log is text: %s", strerror(-r));
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

/* Where time matters many lines are of the same millisecond. */
static const char *time_text(void)
{
	static char text[40];
	static uint64_t text_ms;
	uint64_t now_ms = clock_wall_ms();
	time_t seconds = (time_t)(now_ms / 1000);
	struct tm utc;
	char date[24];

	if (now_ms == text_ms)
		return text;
	text_ms = now_ms;
	gmtime_r(&seconds, &utc);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof(text), "%s.%03uZ", date, (unsigned)(now_ms % 1000));
	return text;
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
	json_object_begin(&j);
	json_key(&j, "time");
	json_text(&j, time_text());
	json_key(&j, "level");
	json_text(&j, level_words[level]);
	json_key(&j, "event");
	json_text(&j, events[event].word);
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

/* Not by printf: a line would take as long as the retry that it tells of. */
static void append_words(struct buf *to, const char *const words[])
{
	for (size_t i = 0; words[i]; i++)
		buf_append_text(to, words[i]);
}

static void append_number(struct buf *to, uint64_t value)
{
	buf_added(to, digits_put(buf_reserve(to, DIGITS_MAX), value));
}

static void append_text(struct buf *to, enum log_level level, enum log_event event,
    const struct field *rows, struct slice message)
{
	if (state.has_priorities)
		buf_printf(to, "<%c>", level_priorities[level]);
	append_words(to, (const char *const[]){ time_text(), " ", level_words[level], " ",
	                     events[event].word, ": ", NULL });
	text_append_printable(to, message);
	for (unsigned i = 0; i < FIELD_ROWS; i++) {
		if (!rows[i].text && !rows[i].number.set)
			continue;
		append_words(to, (const char *const[]){ " ", rows[i].name, "=", NULL });
		if (rows[i].text)
			text_append_printable(to, slice_of(rows[i].text));
		else
			append_number(to, rows[i].number.value);
	}
	buf_append_char(to, '\n');
}

/* What journalctl shows as it is: tabs and newlines it knows, colours it takes out. A message that
 * holds anything else it would show as "blob data". */
static bool is_shown(struct slice message)
{
	for (size_t i = 0; i < message.len; i++) {
		unsigned char c = (unsigned char)message.data[i];

		if ((c < ' ' && c != '\t' && c != '\n' && c != '\x1b') || c == '\x7f')
			return false;
	}
	return text_is_utf8(message);
}

static void append_message(struct buf *record, struct slice message)
{
	struct buf printable = { 0 };

	if (is_shown(message)) {
		journal_append(record, "MESSAGE", message);
		return;
	}
	text_append_printable(&printable, message);
	journal_append(record, "MESSAGE", buf_slice(&printable));
	buf_done(&printable);
}

static void append_own_field(struct buf *record, const char *name, const char *value)
{
	char upper[40] = "SLUICE_";
	size_t n = strlen(upper);

	while (*name && n < sizeof(upper) - 1)
		upper[n++] = (char)toupper((unsigned char)*name++);
	upper[n] = '\0';
	journal_append(record, upper, slice_of(value));
}

static void append_fields(struct buf *record, const struct field *rows)
{
	char number[24];

	for (unsigned i = 0; i < FIELD_ROWS; i++) {
		if (rows[i].text) {
			append_own_field(record, rows[i].name, rows[i].text);
		} else if (rows[i].number.set) {
			snprintf(number, sizeof(number), "%llu",
			    (unsigned long long)rows[i].number.value);
			append_own_field(record, rows[i].name, number);
		}
	}
}

static void append_record(struct buf *to, enum log_level level, enum log_event event,
    const struct field *rows, struct slice message)
{
	const size_t start = buf_len(to);
	uint32_t length = 0;

	buf_append(to, &length, sizeof(length));
	append_message(to, message);
	journal_append(to, "PRIORITY", (struct slice){ &level_priorities[level], 1 });
	journal_append(to, "SYSLOG_IDENTIFIER", slice_of("sluiced"));
	journal_append(to, "MESSAGE_ID", slice_of(events[event].message_id));
	append_own_field(to, "event", events[event].word);
	append_own_field(to, "instance", state.instance);
	append_fields(to, rows);
	length = (uint32_t)(buf_len(to) - start - sizeof(length));
	memcpy(buf_data(to) + start, &length, sizeof(length));
}

static const struct log_fields no_fields;

static void append_event(enum log_level level, enum log_event event,
    const struct log_fields *fields, struct slice message)
{
	struct field rows[FIELD_ROWS];

	list_fields(fields ? fields : &no_fields, rows);
	if (state.format == LOG_FORMAT_JOURNAL)
		append_record(&state.records, level, event, rows, message);
	else if (state.format == LOG_FORMAT_JSON)
		append_json(&state.lines, level, event, rows, message);
	else
		append_text(&state.lines, level, event, rows, message);
}

static size_t kept_bytes(void)
{
	return buf_len(&state.lines) + buf_len(&state.records);
}

static void drop(void)
{
	state.dropped_total++;
	state.dropped_unsaid++;
}

static void log_line(enum log_level level, enum log_event event, const struct log_fields *fields,
    struct slice message)
{
	if (state.take) {
		state.take(state.owner, level, event, fields ? fields : &no_fields, message);
		return;
	}
	if (kept_bytes() > KEEP_AT_MOST_BYTES) {
		drop();
		return;
	}
	append_event(level, event, fields, message);
	if (level <= LEVEL_NOTICE || kept_bytes() > FLUSH_AT_BYTES)
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

static void write_lines(void)
{
	while (buf_len(&state.lines)) {
		ssize_t n = write_some(buf_data(&state.lines), buf_len(&state.lines));

		if (n <= 0)
			break;
		buf_consume(&state.lines, (size_t)n);
	}
}

static void send_records(void)
{
	while (buf_len(&state.records)) {
		const char *first = buf_data(&state.records);
		uint32_t length;
		int r;

		memcpy(&length, first, sizeof(length));
		r = journal_send(&state.journal, (struct slice){ first + sizeof(length), length });
		if (r == -EAGAIN)
			break;
		if (r)
			drop();
		buf_consume(&state.records, sizeof(length) + length);
	}
}

static void write_kept(void)
{
	write_lines();
	send_records();
}

/* Whether there was something to own up to, and room to say so. */
static bool own_up_to_drops(void)
{
	char text[80];
	int n;

	if (!state.dropped_unsaid || kept_bytes() > KEEP_AT_MOST_BYTES / 2)
		return false;
	n = snprintf(text, sizeof(text), "%llu log lines dropped: %s did not take them",
	    (unsigned long long)state.dropped_unsaid,
	    state.format == LOG_FORMAT_JOURNAL ? "the journal" : "standard error");
	state.dropped_unsaid = 0;
	append_event(LEVEL_WARNING, EVENT_LOG_DROPPED, NULL, (struct slice){ text, (size_t)n });
	return true;
}

static void give_memory_back(struct buf *b)
{
	if (!buf_len(b) && b->cap > 4 * FLUSH_AT_BYTES)
		buf_done(b);
}

bool log_flush(void)
{
	int saved = errno;

	write_kept();
	/* Here, and not with the next line: there may be no next line for hours. */
	if (own_up_to_drops())
		write_kept();
	give_memory_back(&state.lines);
	give_memory_back(&state.records);
	errno = saved;
	return kept_bytes() == 0;
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
