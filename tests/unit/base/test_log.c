/* SPDX-License-Identifier: MIT */
/* The log as its reader sees it: through a pipe, a socket, a file, and through one that is full. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"

/* What the log writes to, and the end at which we read. */
struct outlet {
	int write_fd, read_fd;
	struct buf got;
};

static void use(struct outlet *o, enum log_level level, enum log_format format)
{
	log_setup(&(struct log_settings){ .level = level,
	    .format = format,
	    .instance = "test",
	    .fd = o->write_fd });
}

static void open_pipe(struct outlet *o)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*o = (struct outlet){ .write_fd = fds[1], .read_fd = fds[0] };
	fcntl(o->read_fd, F_SETFL, O_NONBLOCK);
}

static void open_socket(struct outlet *o)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*o = (struct outlet){ .write_fd = fds[1], .read_fd = fds[0] };
	fcntl(o->read_fd, F_SETFL, O_NONBLOCK);
}

static void open_file(struct outlet *o)
{
	char path[] = "/tmp/test_log.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	*o = (struct outlet){ .write_fd = fd, .read_fd = open(path, O_RDONLY | O_CLOEXEC) };
	unlink(path);
}

static void outlet_close(struct outlet *o)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct outlet nowhere = { .write_fd = null };

	/* Empties what is left, so that no test sees another's lines. */
	use(o, LEVEL_DEBUG, LOG_FORMAT_TEXT);
	while (read(o->read_fd, buf_reserve(&o->got, 65536), 65536) > 0)
		log_flush();
	use(&nowhere, LEVEL_DEBUG, LOG_FORMAT_TEXT);
	log_flush();
	close(o->write_fd);
	close(o->read_fd);
	buf_done(&o->got);
	close(null);
}

/* Reads what is there; false when there was nothing. */
static bool take(struct outlet *o)
{
	ssize_t n = read(o->read_fd, buf_reserve(&o->got, 65536), 65536);

	if (n > 0)
		buf_added(&o->got, (size_t)n);
	return n > 0;
}

/* Reads and flushes until both are quiet. */
static void drain(struct outlet *o)
{
	do
		log_flush();
	while (take(o));
}

/* The next whole line without its newline, or NULL. Valid until the outlet is read again. */
static char *next_line(struct outlet *o)
{
	char *line = buf_data(&o->got), *end;

	end = buf_len(&o->got) ? memchr(line, '\n', buf_len(&o->got)) : NULL;
	if (!end)
		return NULL;
	*end = '\0';
	buf_consume(&o->got, (size_t)(end + 1 - line));
	return line;
}

enum { TIME_LEN = 24 }; /* 2024-06-01T00:00:00.000Z */

static void assert_time_is_now(const char *text)
{
	struct tm utc = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);

	assert_non_null(rest);
	assert_int_equal(rest - text, TIME_LEN - 5);
	assert_int_equal(rest[0], '.');
	assert_int_equal(strspn(rest + 1, "0123456789"), 3);
	assert_int_equal(rest[4], 'Z');
	/* time() may be a clock tick behind, and so a second. */
	assert_in_range(time(NULL) + 1 - timegm(&utc), 0, 6);
}

static const struct log_fields all_fields = {
	.consumer = "mailer",
	.stream = "orders",
	.group = "g\"1",
	.entry_id = "1717200000000-0",
	.attempt = { true, 3 },
	.outcome = "retry",
	.failure = "exit",
	.exit_status = { true, 0 },
	.signal = "SIGSEGV",
	.handler_pid = { true, 4242 },
	.duration_ms = { true, UINT64_MAX },
	.delay_ms = { true, 1 },
};

static const struct log_fields some_fields = { .stream = "two words", .attempt = { true, 1 } };

static const struct {
	enum log_level level;
	enum log_event event;
	const struct log_fields *fields;
	const char *message;
	const char *text, *json; /* behind the time */
} lines[] = {
	{ LEVEL_NOTICE, EVENT_READY, NULL, "hello", " notice ready: hello",
	    "\",\"level\":\"notice\",\"event\":\"ready\",\"message\":\"hello\","
	    "\"instance\":\"test\"}" },
	{ LEVEL_ERROR, EVENT_REDIS_ERROR, NULL, "", " error redis_error: ",
	    "\",\"level\":\"error\",\"event\":\"redis_error\",\"message\":\"\","
	    "\"instance\":\"test\"}" },
	{ LEVEL_WARNING, EVENT_RETRY, &all_fields, "again",
	    " warning retry: again consumer=mailer stream=orders group=g\"1"
	    " entry_id=1717200000000-0 attempt=3 outcome=retry failure=exit exit_status=0"
	    " signal=SIGSEGV handler_pid=4242 duration_ms=18446744073709551615 delay_ms=1",
	    "\",\"level\":\"warning\",\"event\":\"retry\",\"message\":\"again\","
	    "\"instance\":\"test\",\"consumer\":\"mailer\",\"stream\":\"orders\","
	    "\"group\":\"g\\\"1\",\"entry_id\":\"1717200000000-0\",\"attempt\":3,"
	    "\"outcome\":\"retry\",\"failure\":\"exit\",\"exit_status\":0,"
	    "\"signal\":\"SIGSEGV\",\"handler_pid\":4242,"
	    "\"duration_ms\":18446744073709551615,\"delay_ms\":1}" },
	{ LEVEL_INFO, EVENT_VERDICT, &some_fields, "a\nb\"c\\d\xff\xc3\xa9\x01",
	    " info verdict: a\\nb\"c\\d\\xff\xc3\xa9\\x01 stream=two words attempt=1",
	    "\",\"level\":\"info\",\"event\":\"verdict\","
	    "\"message\":\"a\\nb\\\"c\\\\d\xef\xbf\xbd\xc3\xa9\\u0001\","
	    "\"instance\":\"test\",\"stream\":\"two words\",\"attempt\":1}" },
	{ LEVEL_DEBUG, EVENT_OUTPUT, NULL, "100%s", " debug output: 100%s",
	    "\",\"level\":\"debug\",\"event\":\"output\",\"message\":\"100%s\","
	    "\"instance\":\"test\"}" },
};

static void assert_line(struct outlet *o, enum log_format format, const char *expected)
{
	const char *start = format == LOG_FORMAT_JSON ? "{\"time\":\"" : "";
	char *line;

	drain(o);
	line = next_line(o);
	assert_non_null(line);
	assert_memory_equal(line, start, strlen(start));
	line += strlen(start);
	assert_time_is_now(line);
	assert_string_equal(line + TIME_LEN, expected);
	assert_null(next_line(o));
	assert_int_equal(buf_len(&o->got), 0);
}

static void test_forms(void **unused)
{
	struct outlet o;

	(void)unused;
	open_pipe(&o);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		use(&o, LEVEL_DEBUG, LOG_FORMAT_TEXT);
		log_event(lines[i].level, lines[i].event, lines[i].fields, "%s", lines[i].message);
		assert_line(&o, LOG_FORMAT_TEXT, lines[i].text);
		use(&o, LEVEL_DEBUG, LOG_FORMAT_JSON);
		log_event(lines[i].level, lines[i].event, lines[i].fields, "%s", lines[i].message);
		assert_line(&o, LOG_FORMAT_JSON, lines[i].json);
	}
	outlet_close(&o);
}

static const struct {
	struct slice line;
	const char *text, *json;
} outputs[] = {
	{ { NULL, 0 }, "", "" },
	{ { "plain", 5 }, "plain", "plain" },
	{ { "nul\0in", 6 }, "nul\\x00in", "nul\\u0000in" },
	{ { "\x1b[31mred", 8 }, "\\x1b[31mred", "\\u001b[31mred" },
	{ { "\xe9t\xe9", 3 }, "\\xe9t\\xe9", "\xef\xbf\xbdt\xef\xbf\xbd" },
	{ { "cut \xe2\x82", 6 }, "cut \\xe2\\x82", "cut \xef\xbf\xbd\xef\xbf\xbd" },
	{ { "two\r\nlines", 10 }, "two\\x0d\\nlines", "two\\r\\nlines" },
};

static void test_output_of_any_bytes(void **unused)
{
	struct outlet o;
	char expected[300];

	(void)unused;
	open_pipe(&o);
	for (size_t i = 0; i < ARRAY_LEN(outputs); i++) {
		use(&o, LEVEL_INFO, LOG_FORMAT_TEXT);
		log_output(LEVEL_INFO, &some_fields, outputs[i].line);
		snprintf(expected, sizeof(expected), " info output: %s stream=two words attempt=1",
		    outputs[i].text);
		assert_line(&o, LOG_FORMAT_TEXT, expected);
		use(&o, LEVEL_INFO, LOG_FORMAT_JSON);
		log_output(LEVEL_WARNING, NULL, outputs[i].line);
		snprintf(expected, sizeof(expected),
		    "\",\"level\":\"warning\",\"event\":\"output\",\"message\":\"%s\","
		    "\"instance\":\"test\"}",
		    outputs[i].json);
		assert_line(&o, LOG_FORMAT_JSON, expected);
	}
	outlet_close(&o);
}

static void test_levels(void **unused)
{
	struct outlet o;

	(void)unused;
	open_pipe(&o);
	for (unsigned set = 0; set < LOG_LEVELS; set++) {
		use(&o, (enum log_level)set, LOG_FORMAT_TEXT);
		for (unsigned level = 0; level < LOG_LEVELS; level++) {
			assert_int_equal(log_enabled((enum log_level)level), level <= set);
			log_event((enum log_level)level, EVENT_READY, NULL, "x");
			log_output((enum log_level)level, NULL, slice_of("y"));
			drain(&o);
			assert_int_equal(next_line(&o) != NULL, level <= set);
			assert_int_equal(next_line(&o) != NULL, level <= set);
			assert_null(next_line(&o));
		}
	}
	outlet_close(&o);
}

static const struct {
	const char *word;
	int result;
	enum log_level level;
} words[] = {
	{ "error", 0, LEVEL_ERROR },
	{ "warning", 0, LEVEL_WARNING },
	{ "notice", 0, LEVEL_NOTICE },
	{ "info", 0, LEVEL_INFO },
	{ "debug", 0, LEVEL_DEBUG },
	{ "", -EINVAL, LEVEL_ERROR },
	{ "Info", -EINVAL, LEVEL_ERROR },
	{ "infos", -EINVAL, LEVEL_ERROR },
	{ "inf", -EINVAL, LEVEL_ERROR },
	{ "warn", -EINVAL, LEVEL_ERROR },
	{ "info ", -EINVAL, LEVEL_ERROR },
};

static void test_level_words(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		enum log_level level = LOG_LEVELS;

		assert_int_equal(log_level_parse(slice_of(words[i].word), &level), words[i].result);
		assert_int_equal(level, words[i].result ? LOG_LEVELS : words[i].level);
	}
}

static void test_what_is_urgent_is_written_at_once(void **unused)
{
	struct outlet o;

	(void)unused;
	open_pipe(&o);
	use(&o, LEVEL_DEBUG, LOG_FORMAT_TEXT);
	for (unsigned level = 0; level < LOG_LEVELS; level++) {
		log_event((enum log_level)level, EVENT_READY, NULL, "x");
		assert_int_equal(take(&o), level <= LEVEL_NOTICE);
		drain(&o);
	}
	outlet_close(&o);
}

static void test_gathered_lines_keep_their_order(void **unused)
{
	struct outlet o;
	char *line;

	(void)unused;
	open_pipe(&o);
	use(&o, LEVEL_DEBUG, LOG_FORMAT_TEXT);
	log_event(LEVEL_INFO, EVENT_READY, NULL, "1");
	log_event(LEVEL_DEBUG, EVENT_READY, NULL, "2");
	log_event(LEVEL_ERROR, EVENT_READY, NULL, "3");
	assert_true(take(&o));
	for (int i = 1; i <= 3; i++) {
		line = next_line(&o);
		assert_non_null(line);
		assert_int_equal(line[strlen(line) - 1], '0' + i);
	}
	outlet_close(&o);
}

static void test_errno_is_kept(void **unused)
{
	struct outlet o;

	(void)unused;
	open_pipe(&o);
	use(&o, LEVEL_DEBUG, LOG_FORMAT_JSON);
	errno = 1234;
	log_event(LEVEL_ERROR, EVENT_READY, NULL, "x");
	assert_int_equal(errno, 1234);
	log_output(LEVEL_ERROR, NULL, slice_of("x"));
	assert_int_equal(errno, 1234);
	log_flush();
	assert_int_equal(errno, 1234);
	outlet_close(&o);
}

static void test_long_message_is_cut(void **unused)
{
	static char huge[100000];
	struct outlet o;
	size_t len;

	(void)unused;
	memset(huge, 'x', sizeof(huge) - 1);
	open_pipe(&o);
	use(&o, LEVEL_INFO, LOG_FORMAT_TEXT);
	log_event(LEVEL_INFO, EVENT_READY, &some_fields, "%s", huge);
	drain(&o);
	len = strlen(next_line(&o));
	assert_in_range(len, 8 * 1024, 17 * 1024);
	assert_null(next_line(&o));
	outlet_close(&o);
}

/* The kinds of standard error that there are. */
static const struct {
	const char *name;
	void (*open)(struct outlet *o);
} kinds[] = {
	{ "pipe", open_pipe },
	{ "socket", open_socket },
	{ "file", open_file },
};

enum { N_LINES = 20000 };

static void log_many(void)
{
	for (int i = 0; i < N_LINES; i++)
		log_event(LEVEL_INFO, EVENT_VERDICT, NULL, "line %d %0100d", i, 0);
}

struct tally {
	unsigned long lines, confessed, confessions;
};

/* Reads everything; the lines that came must come in order. */
static struct tally count_lines(struct outlet *o)
{
	struct tally t = { 0 };
	int last = -1, number;
	char *line;

	drain(o);
	while ((line = next_line(o))) {
		assert_time_is_now(line);
		if (sscanf(line + TIME_LEN, " info verdict: line %d", &number) == 1) {
			assert_true(number > last);
			last = number;
			t.lines++;
		} else {
			unsigned long n;

			assert_int_equal(sscanf(line + TIME_LEN,
			                     " warning log_dropped: %lu log lines dropped", &n),
			    1);
			t.confessed += n;
			t.confessions++;
		}
	}
	assert_int_equal(buf_len(&o->got), 0);
	return t;
}

static void test_full_outlet_does_not_block(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		uint64_t before = log_dropped_total(), dropped;
		struct outlet o;
		struct tally t;

		kinds[i].open(&o);
		use(&o, LEVEL_INFO, LOG_FORMAT_TEXT);
		log_many();
		log_flush();
		/* The descriptor is shared with others: its mode is not ours to change. */
		assert_int_equal(fcntl(o.write_fd, F_GETFL) & O_NONBLOCK, 0);
		t = count_lines(&o);
		dropped = log_dropped_total() - before;
		assert_int_equal(t.lines + dropped, N_LINES);
		assert_int_equal(t.confessed, dropped);
		if (strcmp(kinds[i].name, "file") == 0)
			assert_int_equal(dropped, 0);
		else
			assert_true(dropped > N_LINES / 4);
		outlet_close(&o);
	}
}

static void test_slow_reader_gets_every_line_or_its_count(void **unused)
{
	uint64_t before = log_dropped_total();
	struct outlet o;
	struct tally t;

	(void)unused;
	open_pipe(&o);
	fcntl(o.write_fd, F_SETPIPE_SZ, 4096);
	use(&o, LEVEL_INFO, LOG_FORMAT_TEXT);
	for (int round = 0; round < N_LINES; round++) {
		log_event(LEVEL_INFO, EVENT_VERDICT, NULL, "line %d %0100d", round, 0);
		if (round % 64 == 0)
			take(&o);
		if (round % 128 == 0)
			log_flush();
	}
	t = count_lines(&o);
	assert_true(log_dropped_total() > before);
	assert_int_equal(t.confessed, log_dropped_total() - before);
	assert_int_equal(t.lines + t.confessed, N_LINES);
	outlet_close(&o);
}

/* Nothing more is logged after the burst: the loss must come to light all the same. */
static void test_drops_are_owned_up_to_once(void **unused)
{
	struct outlet o;

	(void)unused;
	open_pipe(&o);
	use(&o, LEVEL_INFO, LOG_FORMAT_TEXT);
	log_many();
	assert_int_equal(count_lines(&o).confessions, 1);
	assert_int_equal(count_lines(&o).confessions, 0);
	log_event(LEVEL_INFO, EVENT_VERDICT, NULL, "line 1");
	assert_int_equal(count_lines(&o).confessions, 0);
	outlet_close(&o);
}

static void test_reader_that_went_away(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		uint64_t before = log_dropped_total();
		struct outlet o, next;

		kinds[i].open(&o);
		use(&o, LEVEL_INFO, LOG_FORMAT_TEXT);
		close(o.read_fd);
		log_many();
		assert_true(log_dropped_total() > before);
		open_pipe(&next);
		use(&next, LEVEL_INFO, LOG_FORMAT_TEXT);
		close(o.write_fd);
		assert_int_equal(count_lines(&next).lines + log_dropped_total() - before, N_LINES);
		outlet_close(&next);
	}
}

/* Lines around the size of a single write, and of the whole pipe. */
static void test_whole_lines_through_a_small_pipe(void **unused)
{
	struct outlet o;

	(void)unused;
	open_pipe(&o);
	fcntl(o.write_fd, F_SETPIPE_SZ, 4096);
	use(&o, LEVEL_INFO, LOG_FORMAT_TEXT);
	for (int i = 0; i < 100; i++)
		log_event(LEVEL_INFO, EVENT_VERDICT, NULL, "line %d %0*d", i, 40 * i, 0);
	assert_int_equal(count_lines(&o).lines, 100);
	outlet_close(&o);
}

static const struct {
	uint64_t now_ms;
	bool pass;
	uint64_t held_back;
} moments[] = {
	{ 5, true, 0 },
	{ 5, false, 0 },
	{ 6, false, 0 },
	{ 1004, false, 0 },
	{ 1005, true, 3 },
	{ 1006, false, 0 },
	{ 9000, true, 1 },
	{ 10000, true, 0 },
};

static void test_limit(void **unused)
{
	struct log_limit l = { 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(moments); i++) {
		uint64_t held_back = 99;

		assert_int_equal(log_limit_pass(&l, moments[i].now_ms, 1000, &held_back),
		    moments[i].pass);
		assert_int_equal(held_back, moments[i].pass ? moments[i].held_back : 99);
	}
}

static void keep(void *owner, enum log_level level, enum log_event event,
    const struct log_fields *fields, struct slice message)
{
	buf_printf(owner, "%d %d %s %.*s;", level, event,
	    fields->entry_id ? fields->entry_id : "none", (int)message.len, message.data);
}

static void test_somebody_takes_what_is_said(void **unused)
{
	struct outlet o;
	struct buf took = { 0 };
	char expected[80];
	int len;

	(void)unused;
	open_pipe(&o);
	log_setup(&(struct log_settings){ .level = LEVEL_INFO,
	    .fd = o.write_fd,
	    .take = keep,
	    .owner = &took });
	log_event(LEVEL_WARNING, EVENT_ALERT, NULL, "%s", "first");
	log_output(LEVEL_INFO, &(struct log_fields){ .entry_id = "1-0" }, slice_of("second"));
	log_event(LEVEL_DEBUG, EVENT_ALERT, NULL, "%s", "not at this level");
	len = snprintf(expected, sizeof(expected), "%d %d none first;%d %d 1-0 second;",
	    LEVEL_WARNING, EVENT_ALERT, LEVEL_INFO, EVENT_OUTPUT);
	assert_int_equal(buf_len(&took), len);
	assert_memory_equal(buf_data(&took), expected, (size_t)len);
	assert_true(read(o.read_fd, expected, sizeof(expected)) < 0);
	buf_done(&took);
	outlet_close(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_output_of_any_bytes),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_level_words),
		cmocka_unit_test(test_what_is_urgent_is_written_at_once),
		cmocka_unit_test(test_gathered_lines_keep_their_order),
		cmocka_unit_test(test_errno_is_kept),
		cmocka_unit_test(test_long_message_is_cut),
		cmocka_unit_test(test_full_outlet_does_not_block),
		cmocka_unit_test(test_slow_reader_gets_every_line_or_its_count),
		cmocka_unit_test(test_drops_are_owned_up_to_once),
		cmocka_unit_test(test_reader_that_went_away),
		cmocka_unit_test(test_whole_lines_through_a_small_pipe),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_somebody_takes_what_is_said),
	};

	/* The daemon ignores it as well; a log that blocks is ended by the alarm. */
	signal(SIGPIPE, SIG_IGN);
	alarm(20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
