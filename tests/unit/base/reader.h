/* SPDX-License-Identifier: MIT */
/* The reading end of a journal: what $SLUICED_JOURNAL_SOCKET leads to. */
#ifndef TESTS_UNIT_BASE_READER_H
#define TESTS_UNIT_BASE_READER_H

#include <sys/socket.h>
#include <sys/un.h>

enum { RECORD_MAX_BYTES = 64 * 1024 };

struct reader {
	char folder[40];
	struct sockaddr_un at;
	int fd;
};

void reader_open(struct reader *r);
void reader_close(struct reader *r);

/* Binds it anew, as a journald that is started again does. */
void reader_bind(struct reader *r);

/* The length of the next record, or -1. */
ssize_t reader_next(struct reader *r, char to[RECORD_MAX_BYTES]);

#endif
