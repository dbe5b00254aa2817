/* SPDX-License-Identifier: MIT */
/*
 * The systemd journal by its native protocol: a record is one datagram of fields. Nothing here
 * blocks, whether journald reads, is stopped or is started anew.
 */
#ifndef SLUICED_BASE_JOURNAL_H
#define SLUICED_BASE_JOURNAL_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/slice.h"

/* Names another socket than /run/systemd/journal/socket, for tests. */
#define JOURNAL_SOCKET_VARIABLE "SLUICED_JOURNAL_SOCKET"

struct journal {
	int fd;
	struct sockaddr_un to;
};

/* Whether fd leads to the journal as a service's output does: $JOURNAL_STREAM alone does not say,
 * it is inherited by those whose output was redirected. */
bool journal_is_stream(int fd);

/* 0 when there is a socket that takes records, or -errno. */
int journal_open(struct journal *ret_journal) MUST_CHECK;

void journal_close(struct journal *j);

/* Appends a field to a record; the value may hold any bytes. */
void journal_append(struct buf *record, const char *name, struct slice value);

/* 0; -EAGAIN when the journal does not take it now; another -errno when it never will. */
int journal_send(const struct journal *j, struct slice record) MUST_CHECK;

#endif
