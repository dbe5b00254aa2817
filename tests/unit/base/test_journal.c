/* SPDX-License-Identifier: MIT */
/* Records as a journal gets them, and a journal that is full, gone, or takes no datagram so long.
 */
#include "base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "reader.h"

enum { LARGE_BYTES = 20 * 1024 * 1024 };

#define BYTES(literal)                                                                             \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

static const struct {
	const char *name;
	struct slice value, field;
} fields[] = {
	{ "MESSAGE", BYTES("hello"), BYTES("MESSAGE=hello\n") },
	{ "MESSAGE", { NULL, 0 }, BYTES("MESSAGE=\n") },
	{ "MESSAGE", BYTES("a=b=c"), BYTES("MESSAGE=a=b=c\n") },
	{ "MESSAGE", BYTES("a\nb"), BYTES("MESSAGE\n\3\0\0\0\0\0\0\0a\nb\n") },
	{ "MESSAGE", BYTES("\n"), BYTES("MESSAGE\n\1\0\0\0\0\0\0\0\n\n") },
	{ "MESSAGE", BYTES("nul\0in"), BYTES("MESSAGE=nul\0in\n") },
	{ "MESSAGE", BYTES("\xff\n\0"), BYTES("MESSAGE\n\3\0\0\0\0\0\0\0\xff\n\0\n") },
};

static void test_fields(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct buf record = { 0 };

		journal_append(&record, fields[i].name, fields[i].value);
		assert_int_equal(buf_len(&record), fields[i].field.len);
		assert_memory_equal(buf_data(&record), fields[i].field.data, fields[i].field.len);
		buf_done(&record);
	}
}

static void test_length_of_a_long_value(void **unused)
{
	static char value[0x12345];
	struct buf record = { 0 };

	(void)unused;
	memset(value, '\n', sizeof(value));
	journal_append(&record, "M", (struct slice){ value, sizeof(value) });
	assert_memory_equal(buf_data(&record), "M\n\x45\x23\1\0\0\0\0\0\n", 11);
	assert_int_equal(buf_len(&record), 2 + 8 + sizeof(value) + 1);
	buf_done(&record);
}

static void test_record_is_a_datagram(void **unused)
{
	struct journal j;
	struct reader r;
	char got[RECORD_MAX_BYTES];

	(void)unused;
	reader_open(&r);
	assert_int_equal(journal_open(&j), 0);
	assert_int_equal(journal_send(&j, slice_of("A=1\n")), 0);
	assert_int_equal(journal_send(&j, slice_of("B=2\n")), 0);
	assert_int_equal(reader_next(&r, got), 4);
	assert_memory_equal(got, "A=1\n", 4);
	assert_int_equal(reader_next(&r, got), 4);
	assert_memory_equal(got, "B=2\n", 4);
	assert_int_equal(reader_next(&r, got), -1);
	journal_close(&j);
	reader_close(&r);
}

/* The descriptor that came with an empty datagram. */
static int next_descriptor(struct reader *r)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	int fd;

	assert_int_equal(recvmsg(r->fd, &message, MSG_CMSG_CLOEXEC), 0);
	header = CMSG_FIRSTHDR(&message);
	assert_non_null(header);
	assert_int_equal(header->cmsg_type, SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static void test_large_record_is_a_sealed_file(void **unused)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	char *large = malloc(LARGE_BYTES), *mapped;
	struct journal j;
	struct reader r;
	struct stat st;
	int fd;

	(void)unused;
	assert_non_null(large);
	memset(large, 'x', LARGE_BYTES);
	reader_open(&r);
	assert_int_equal(journal_open(&j), 0);
	assert_int_equal(journal_send(&j, (struct slice){ large, LARGE_BYTES }), 0);
	fd = next_descriptor(&r);
	assert_int_equal(fcntl(fd, F_GET_SEALS), seals);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, LARGE_BYTES);
	mapped = mmap(NULL, LARGE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(mapped != MAP_FAILED);
	assert_memory_equal(mapped, large, LARGE_BYTES);
	munmap(mapped, LARGE_BYTES);
	close(fd);
	journal_close(&j);
	reader_close(&r);
	free(large);
}

static unsigned fill(const struct journal *j)
{
	unsigned n = 0;

	while (journal_send(j, slice_of("A=1\n")) == 0)
		assert_true(n++ < 1000000);
	return n;
}

static void test_full_journal_is_tried_later(void **unused)
{
	struct journal j;
	struct reader r;
	char got[RECORD_MAX_BYTES];

	(void)unused;
	reader_open(&r);
	assert_int_equal(journal_open(&j), 0);
	assert_true(fill(&j) > 0);
	assert_int_equal(journal_send(&j, slice_of("A=1\n")), -EAGAIN);
	while (reader_next(&r, got) > 0)
		;
	assert_int_equal(journal_send(&j, slice_of("A=1\n")), 0);
	journal_close(&j);
	reader_close(&r);
}

static void test_journal_started_anew(void **unused)
{
	struct journal j;
	struct reader r;
	char got[RECORD_MAX_BYTES];

	(void)unused;
	reader_open(&r);
	assert_int_equal(journal_open(&j), 0);
	close(r.fd);
	assert_int_equal(journal_send(&j, slice_of("A=1\n")), -EAGAIN); /* ECONNREFUSED */
	unlink(r.at.sun_path);
	assert_int_equal(journal_send(&j, slice_of("A=1\n")), -EAGAIN); /* ENOENT */
	reader_bind(&r);
	assert_int_equal(journal_send(&j, slice_of("A=1\n")), 0);
	assert_int_equal(reader_next(&r, got), 4);
	journal_close(&j);
	reader_close(&r);
}

static void test_no_journal(void **unused)
{
	struct journal j = { .fd = -7 };
	struct reader r;
	char path[200];

	(void)unused;
	reader_open(&r);
	unlink(r.at.sun_path);
	assert_int_equal(journal_open(&j), -ENOENT);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	setenv(JOURNAL_SOCKET_VARIABLE, path, 1);
	assert_int_equal(journal_open(&j), -ENAMETOOLONG);
	assert_int_equal(j.fd, -7);
	reader_close(&r);
}

static void set_stream(const struct stat *st)
{
	char text[80];

	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st->st_dev,
	    (unsigned long long)st->st_ino);
	setenv("JOURNAL_STREAM", text, 1);
}

static void test_stream(void **unused)
{
	static const char *const wrong[] = { "", "1", ":", "0:0", "x:y" };
	struct stat st;
	int fds[2], other[2];

	(void)unused;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pipe2(other, O_CLOEXEC), 0);
	unsetenv("JOURNAL_STREAM");
	assert_false(journal_is_stream(fds[1]));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		setenv("JOURNAL_STREAM", wrong[i], 1);
		assert_false(journal_is_stream(fds[1]));
	}
	assert_int_equal(fstat(fds[1], &st), 0);
	set_stream(&st);
	assert_true(journal_is_stream(fds[1]));
	assert_false(journal_is_stream(other[1]));
	assert_false(journal_is_stream(-1));
	unsetenv("JOURNAL_STREAM");
	for (size_t i = 0; i < 2; i++) {
		close(fds[i]);
		close(other[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_length_of_a_long_value),
		cmocka_unit_test(test_record_is_a_datagram),
		cmocka_unit_test(test_large_record_is_a_sealed_file),
		cmocka_unit_test(test_full_journal_is_tried_later),
		cmocka_unit_test(test_journal_started_anew),
		cmocka_unit_test(test_no_journal),
		cmocka_unit_test(test_stream),
	};

	/* What blocks is ended by the alarm. */
	alarm(20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
