/* SPDX-License-Identifier: MIT */
/*
 * Owns the journal's socket. It is not connected: the path is looked up for each record, so that a
 * journald that was started anew is found without a thing to do, at a microsecond a record.
 *
 * sd_journal_send() is not used because it blocks as soon as the queue of a journald that does not
 * read is full, at the eleventh record with the kernel's net.unix.max_dgram_qlen.
 */
#include "base/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEND_BUFFER_BYTES = 8 * 1024 * 1024 };

bool journal_is_stream(int fd)
{
	const char *text = getenv("JOURNAL_STREAM");
	char own[48];
	struct stat st;

	if (!text || fstat(fd, &st))
		return false;
	snprintf(own, sizeof(own), "%llu:%llu", (unsigned long long)st.st_dev,
	    (unsigned long long)st.st_ino);
	return strcmp(text, own) == 0;
}

static int find_address(struct sockaddr_un *ret_address)
{
	const char *path = getenv(JOURNAL_SOCKET_VARIABLE);
	size_t len;

	if (!path)
		path = "/run/systemd/journal/socket";
	len = strlen(path);
	if (len >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_address->sun_path, path, len);
	return 0;
}

static int open_socket(void)
{
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int probe(const struct sockaddr_un *address)
{
	int fd = open_socket(), r = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		r = -errno;
	close(fd);
	return r;
}

/* A record larger than the buffer needs a file of its own; the second call passes the limit of
 * net.core.wmem_max and needs CAP_NET_ADMIN. */
static void widen(int fd)
{
	const int size = SEND_BUFFER_BYTES;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
}

int journal_open(struct journal *ret_journal)
{
	struct journal j;
	int r = find_address(&j.to);

	if (!r)
		r = probe(&j.to);
	if (r)
		return r;
	j.fd = open_socket();
	if (j.fd < 0)
		return -errno;
	widen(j.fd);
	*ret_journal = j;
	return 0;
}

void journal_close(struct journal *j)
{
	close(j->fd);
	j->fd = -1;
}

static void append_length(struct buf *record, uint64_t length)
{
	for (unsigned shift = 0; shift < 64; shift += 8)
		buf_append_char(record, (char)(length >> shift));
}

void journal_append(struct buf *record, const char *name, struct slice value)
{
	buf_append_text(record, name);
	if (value.len && memchr(value.data, '\n', value.len)) {
		buf_append_char(record, '\n');
		append_length(record, value.len);
	} else {
		buf_append_char(record, '=');
	}
	buf_append(record, value.data, value.len);
	buf_append_char(record, '\n');
}

/* Whatever keeps the journal from taking it may pass: it is full, it is being started anew. Only
 * the size of a record stays what it is. */
static int send_message(const struct journal *j, struct msghdr message)
{
	struct sockaddr_un to = j->to;

	message.msg_name = &to;
	message.msg_namelen = sizeof(to);
	if (sendmsg(j->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	return errno == EMSGSIZE ? -EMSGSIZE : -EAGAIN;
}

static int send_descriptor(const struct journal *j, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .space = { 0 } };
	struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return send_message(j, message);
}

static int fill(int fd, struct slice record)
{
	while (record.len) {
		ssize_t n = write(fd, record.data, record.len);

		if (n < 0)
			return -errno;
		record.data += n;
		record.len -= (size_t)n;
	}
	/* journald takes no file that could still change while it reads it. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		return -errno;
	return 0;
}

static int send_as_file(const struct journal *j, struct slice record)
{
	int fd = memfd_create("sluiced-log", MFD_CLOEXEC | MFD_ALLOW_SEALING), r;

	if (fd < 0)
		return -errno;
	r = fill(fd, record);
	if (!r)
		r = send_descriptor(j, fd);
	close(fd);
	return r;
}

int journal_send(const struct journal *j, struct slice record)
{
	struct iovec part = { .iov_len = record.len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	int r;

	/* iov_base is not const, but what is sent is only read. */
	memcpy(&part.iov_base, &record.data, sizeof(part.iov_base));
	r = send_message(j, message);
	return r == -EMSGSIZE ? send_as_file(j, record) : r;
}
