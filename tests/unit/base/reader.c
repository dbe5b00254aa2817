/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/journal.h"

void reader_bind(struct reader *r)
{
	r->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(r->fd >= 0);
	assert_int_equal(bind(r->fd, (struct sockaddr *)&r->at, sizeof(r->at)), 0);
}

void reader_open(struct reader *r)
{
	*r = (struct reader){ .folder = "/tmp/test_journal.XXXXXX", .at.sun_family = AF_UNIX };
	assert_non_null(mkdtemp(r->folder));
	snprintf(r->at.sun_path, sizeof(r->at.sun_path), "%s/socket", r->folder);
	setenv(JOURNAL_SOCKET_VARIABLE, r->at.sun_path, 1);
	reader_bind(r);
}

void reader_close(struct reader *r)
{
	close(r->fd);
	unlink(r->at.sun_path);
	rmdir(r->folder);
	unsetenv(JOURNAL_SOCKET_VARIABLE);
}

ssize_t reader_next(struct reader *r, char to[RECORD_MAX_BYTES])
{
	return recv(r->fd, to, RECORD_MAX_BYTES, 0);
}
