/* SPDX-License-Identifier: MIT */
/* The log in the journal: its records, which form is chosen, and a journal that does not read. */
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/journal.h"
#include "reader.h"

#define BYTES(literal)                                                                             \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

static void log_to(int fd, enum log_format format)
{
	log_setup(&(struct log_settings){ .level = LEVEL_DEBUG,
	    .format = format,
	    .instance = "test",
	    .fd = fd });
}

static const struct log_fields all_fields = {
	.consumer = "mailer",
	.stream = "two\nlines",
	.group = "g",
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

#define SAID      "SYSLOG_IDENTIFIER=sluiced\n"
#define ID_READY  "MESSAGE_ID=ce87a874a91c4042b00adc2f3f4cf0f8\n"
#define ID_RETRY  "MESSAGE_ID=f0a73f1f39ac4cebbfebe536d246976d\n"
#define ID_OUTPUT "MESSAGE_ID=1526c4b5e6f741c99de4498edbfc7db5\n"

static const struct {
	enum log_level level;
	enum log_event event;
	const struct log_fields *fields;
	struct slice message, record;
} records[] = {
	{ LEVEL_NOTICE, EVENT_READY, NULL, BYTES("hello"),
	    BYTES("MESSAGE=hello\nPRIORITY=5\n" SAID ID_READY
	          "SLUICE_EVENT=ready\nSLUICE_INSTANCE=test\n") },
	{ LEVEL_WARNING, EVENT_RETRY, &all_fields, BYTES("again"),
	    BYTES("MESSAGE=again\nPRIORITY=4\n" SAID ID_RETRY
	          "SLUICE_EVENT=retry\nSLUICE_INSTANCE=test\nSLUICE_CONSUMER=mailer\n"
	          "SLUICE_STREAM\n\x9\0\0\0\0\0\0\0two\nlines\nSLUICE_GROUP=g\n"
	          "SLUICE_ENTRY_ID=1717200000000-0\nSLUICE_ATTEMPT=3\nSLUICE_OUTCOME=retry\n"
	          "SLUICE_FAILURE=exit\nSLUICE_EXIT_STATUS=0\nSLUICE_SIGNAL=SIGSEGV\n"
	          "SLUICE_HANDLER_PID=4242\nSLUICE_DURATION_MS=18446744073709551615\n"
	          "SLUICE_DELAY_MS=1\n") },
	{ LEVEL_ERROR, EVENT_READY, NULL, BYTES("two\nlines"),
	    BYTES("MESSAGE\n\x9\0\0\0\0\0\0\0two\nlines\nPRIORITY=3\n" SAID ID_READY
	          "SLUICE_EVENT=ready\nSLUICE_INSTANCE=test\n") },
	{ LEVEL_INFO, EVENT_OUTPUT, NULL, BYTES("\tat \x1b[31mred\x1b[0m \xc3\xa9"),
	    BYTES("MESSAGE=\tat \x1b[31mred\x1b[0m \xc3\xa9\nPRIORITY=6\n" SAID ID_OUTPUT
	          "SLUICE_EVENT=output\nSLUICE_INSTANCE=test\n") },
	{ LEVEL_DEBUG, EVENT_OUTPUT, NULL, BYTES("nul\0in\t\xff"),
	    BYTES("MESSAGE=nul\\x00in\\t\\xff\nPRIORITY=7\n" SAID ID_OUTPUT
	          "SLUICE_EVENT=output\nSLUICE_INSTANCE=test\n") },
};

static void test_records(void **state)
{
	struct reader *r = *state;
	char got[RECORD_MAX_BYTES];

	log_to(STDERR_FILENO, LOG_FORMAT_JOURNAL);
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		const struct slice *wanted = &records[i].record;

		if (records[i].event == EVENT_OUTPUT)
			log_output(records[i].level, records[i].fields, records[i].message);
		else
			log_event(records[i].level, records[i].event, records[i].fields, "%.*s",
			    (int)records[i].message.len, records[i].message.data);
		log_flush();
		assert_int_equal(reader_next(r, got), wanted->len);
		assert_memory_equal(got, wanted->data, wanted->len);
		assert_int_equal(reader_next(r, got), -1);
	}
}

static bool is_hex(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

static void test_each_event_has_an_id_of_its_own(void **unused)
{
	static const char *const ids[] = {
#define X(name, word, message_id) message_id,
		LOG_EVENTS(X)
#undef X
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		assert_true(is_hex(ids[i]));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(ids[i], ids[k]);
	}
}

/* ---- which form ---- */

enum { NOWHERE, AS_RECORD, AS_TEXT, AS_PREFIXED_TEXT, AS_JSON };

static const struct {
	enum log_format format;
	bool on_journal_stream;
	int expected;
} choices[] = {
	{ LOG_FORMAT_AUTO, false, AS_TEXT },
	{ LOG_FORMAT_AUTO, true, AS_RECORD },
	{ LOG_FORMAT_JOURNAL, false, AS_RECORD },
	{ LOG_FORMAT_JOURNAL, true, AS_RECORD },
	{ LOG_FORMAT_TEXT, false, AS_TEXT },
	{ LOG_FORMAT_TEXT, true, AS_PREFIXED_TEXT },
	{ LOG_FORMAT_JSON, false, AS_JSON },
	{ LOG_FORMAT_JSON, true, AS_JSON },
};

static void claim_stream(int fd, bool is_journals)
{
	struct stat st;
	char text[80];

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino + !is_journals);
	setenv("JOURNAL_STREAM", text, 1);
}

/* Reads what came, at either place. */
static int form_seen(struct reader *r, int fd, char got[RECORD_MAX_BYTES])
{
	ssize_t n = read(fd, got, RECORD_MAX_BYTES - 1);

	if (n <= 0)
		return reader_next(r, got) > 0 ? AS_RECORD : NOWHERE;
	got[n] = '\0';
	if (got[0] == '{')
		return AS_JSON;
	return got[0] == '<' ? AS_PREFIXED_TEXT : AS_TEXT;
}

static void test_choice_of_the_form(void **state)
{
	struct reader *r = *state;
	char got[RECORD_MAX_BYTES];
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
		claim_stream(fds[1], choices[i].on_journal_stream);
		log_to(fds[1], choices[i].format);
		log_event(LEVEL_WARNING, EVENT_READY, NULL, "hello");
		assert_int_equal(form_seen(r, fds[0], got), choices[i].expected);
		if (choices[i].expected == AS_PREFIXED_TEXT)
			assert_memory_equal(got, "<4>20", 5);
		assert_int_equal(form_seen(r, fds[0], got), NOWHERE);
	}
	log_to(STDERR_FILENO, LOG_FORMAT_TEXT);
	unsetenv("JOURNAL_STREAM");
	close(fds[0]);
	close(fds[1]);
}

/* Runs first: a journal that was found once is not looked for again. */
static void test_no_journal(void **unused)
{
	static const enum log_format formats[] = { LOG_FORMAT_JOURNAL, LOG_FORMAT_AUTO };
	char got[RECORD_MAX_BYTES];
	struct reader nobody;
	int fds[2];

	(void)unused;
	reader_open(&nobody);
	reader_close(&nobody);
	setenv(JOURNAL_SOCKET_VARIABLE, nobody.at.sun_path, 1);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		claim_stream(fds[1], true);
		log_to(fds[1], formats[i]);
		assert_int_equal(form_seen(NULL, fds[0], got), AS_PREFIXED_TEXT);
		assert_memory_equal(got, "<4>20", 5);
		assert_non_null(strstr(got, "the log is text: No such file or directory\n"));
	}
	log_to(STDERR_FILENO, LOG_FORMAT_TEXT);
	unsetenv("JOURNAL_STREAM");
	close(fds[0]);
	close(fds[1]);
}

/* ---- a journal that does not read ---- */

enum { N_RECORDS = 20000 };

static void log_many(void)
{
	for (int i = 0; i < N_RECORDS; i++)
		log_event(LEVEL_DEBUG, EVENT_VERDICT, NULL, "record %d %0100d", i, 0);
}

struct tally {
	unsigned long records, confessed, confessions;
};

static void count(struct tally *t, const char *record, int *last)
{
	unsigned long n;
	int number;

	if (sscanf(record, "MESSAGE=record %d", &number) == 1) {
		assert_true(number > *last);
		*last = number;
		t->records++;
		return;
	}
	assert_int_equal(sscanf(record,
	                     "MESSAGE=%lu log lines dropped: the journal did not take them", &n),
	    1);
	assert_non_null(strstr(record, "\nSLUICE_EVENT=log_dropped\n"));
	t->confessed += n;
	t->confessions++;
}

static struct tally count_records(struct reader *r)
{
	char got[RECORD_MAX_BYTES];
	struct tally t = { 0 };
	int last = -1;
	ssize_t n;

	for (log_flush(); (n = reader_next(r, got)) > 0; log_flush()) {
		got[n] = '\0';
		count(&t, got, &last);
	}
	return t;
}

static void test_full_journal(void **state)
{
	struct reader *r = *state;
	uint64_t before = log_dropped_total(), dropped;
	struct tally t;

	log_to(STDERR_FILENO, LOG_FORMAT_JOURNAL);
	log_many();
	t = count_records(r);
	dropped = log_dropped_total() - before;
	assert_true(dropped > N_RECORDS / 4);
	assert_true(t.records > 1000);
	assert_int_equal(t.records + dropped, N_RECORDS);
	assert_int_equal(t.confessed, dropped);
	assert_int_equal(t.confessions, 1);
	assert_int_equal(count_records(r).confessions, 0);
}

/* What waits for the journal is neither lost nor written to standard error by a change of form. */
static void test_change_of_form_while_full(void **state)
{
	struct reader *r = *state;
	char got[RECORD_MAX_BYTES];
	unsigned n = 0;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	log_to(fds[1], LOG_FORMAT_JOURNAL);
	for (int i = 0; i < 1000; i++)
		log_event(LEVEL_WARNING, EVENT_READY, NULL, "%d", i);
	log_to(fds[1], LOG_FORMAT_TEXT);
	log_event(LEVEL_WARNING, EVENT_READY, NULL, "text");
	assert_true(read(fds[0], got, sizeof(got)) < 100);
	for (log_flush(); reader_next(r, got) > 0; log_flush())
		n++;
	assert_int_equal(n, 1000);
	log_to(STDERR_FILENO, LOG_FORMAT_TEXT);
	close(fds[0]);
	close(fds[1]);
}

static void test_journal_started_anew(void **state)
{
	struct reader *r = *state;
	uint64_t before = log_dropped_total();
	char got[RECORD_MAX_BYTES];

	log_to(STDERR_FILENO, LOG_FORMAT_JOURNAL);
	close(r->fd);
	unlink(r->at.sun_path);
	log_event(LEVEL_WARNING, EVENT_READY, NULL, "while it was away");
	reader_bind(r);
	assert_int_equal(reader_next(r, got), -1);
	log_flush();
	assert_true(reader_next(r, got) > 0);
	assert_memory_equal(got, "MESSAGE=while it was away\n", 26);
	assert_int_equal(log_dropped_total(), before);
}

static int open_reader(void **state)
{
	static struct reader r;

	reader_open(&r);
	*state = &r;
	return 0;
}

static int close_reader(void **state)
{
	reader_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest without[] = { cmocka_unit_test(test_no_journal) };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_each_event_has_an_id_of_its_own),
		cmocka_unit_test(test_choice_of_the_form),
		cmocka_unit_test(test_full_journal),
		cmocka_unit_test(test_change_of_form_while_full),
		cmocka_unit_test(test_journal_started_anew),
	};
	int failed;

	/* A log that blocks is ended by the alarm. */
	alarm(20);
	failed = cmocka_run_group_tests(without, NULL, NULL);
	return failed + cmocka_run_group_tests(tests, open_reader, close_reader);
}
