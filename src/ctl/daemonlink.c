/* SPDX-License-Identifier: MIT */
#include "ctl/daemonlink.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "ctl/socketpath.h"

/* A status of ten thousand streams is some megabytes. */
enum { BODY_BYTES_MAX = 256 << 20, FDS_MAX = 8 };

struct daemonlink {
	char *path;
	CURLM *multi;
	CURL *easy;
	bool is_busy;
	uint64_t timeout_ms;
	struct daemon_answer answer;
};

static size_t on_body(char *data, size_t size, size_t n, void *owner)
{
	struct daemonlink *l = owner;

	if (buf_len(&l->answer.body) + size * n > BODY_BYTES_MAX)
		return 0;
	buf_append(&l->answer.body, data, size * n);
	return size * n;
}

struct daemonlink *daemonlink_new(const char *socket_path)
{
	struct daemonlink *l = xcalloc(1, sizeof(*l));

	l->path = xstrdup(socket_path);
	l->multi = curl_multi_init();
	l->easy = curl_easy_init();
	if (!l->multi || !l->easy)
		abort(); /* as for memory */
	curl_easy_setopt(l->easy, CURLOPT_UNIX_SOCKET_PATH, l->path);
	curl_easy_setopt(l->easy, CURLOPT_PROXY, ""); /* none of the environment */
	curl_easy_setopt(l->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(l->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(l->easy, CURLOPT_WRITEDATA, l);
	return l;
}

void daemonlink_free(struct daemonlink *l)
{
	if (!l)
		return;
	if (l->is_busy)
		curl_multi_remove_handle(l->multi, l->easy);
	curl_easy_cleanup(l->easy);
	curl_multi_cleanup(l->multi);
	buf_done(&l->answer.body);
	buf_done(&l->answer.why);
	free(l->path);
	free(l);
}

const char *daemonlink_path(const struct daemonlink *l)
{
	return l->path;
}

/* ---- why there is no answer */

/* Who could: the group of the first thing on the way that stops us, or its owner. */
static void append_who(struct buf *to, const char *path)
{
	char *at = xstrdup(path), *slash;
	const struct group *group;
	const struct passwd *owner;
	struct stat st = { 0 };

	while (stat(at, &st) && (slash = strrchr(at, '/')) && slash != at)
		*slash = '\0';
	group =
	    st.st_mode & (S_ISSOCK(st.st_mode) ? S_IWGRP : S_IXGRP) ? getgrgid(st.st_gid) : NULL;
	owner = getpwuid(st.st_uid);
	if (group && st.st_gid)
		buf_printf(to, ": it is for members of the group %s", group->gr_name);
	else if (owner)
		buf_printf(to, ": it is for the user %s", owner->pw_name);
	free(at);
}

static void append_reason(struct buf *to, const char *path)
{
	struct stat st;

	switch (socketpath_probe(path)) {
	case -ENOENT:
	case -ENOTDIR:
		buf_printf(to, "there is no %s: is the daemon running?", path);
		return;
	case -EACCES:
		buf_printf(to, "%s: permission denied", path);
		append_who(to, path);
		return;
	case -ENAMETOOLONG:
		buf_printf(to, "%s: too long for the path of a socket", path);
		return;
	case -ECONNREFUSED:
		if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
			buf_printf(to, "%s is no socket", path);
		else
			buf_printf(to, "nobody listens on %s: is the daemon running?", path);
		return;
	}
	buf_printf(to, "the daemon closed the connection to %s", path);
}

static void explain(struct daemonlink *l, CURLcode code)
{
	struct buf *why = &l->answer.why;

	if (code == CURLE_OPERATION_TIMEDOUT)
		buf_printf(why, "no answer within %llus from %s",
		    (unsigned long long)(l->timeout_ms / 1000), l->path);
	else if (code == CURLE_WRITE_ERROR)
		buf_printf(why, "%s: an answer beyond all measure", l->path);
	else if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL)
		buf_printf(why, "%s is no control socket of sluiced", l->path);
	else
		append_reason(why, l->path);
	buf_append_char(why, '\0');
}

/* ---- a request */

void daemonlink_begin(struct daemonlink *l, const char *method, const char *path,
    uint64_t timeout_ms)
{
	char *url = xasprintf("http://sluiced%s", path);

	l->timeout_ms = timeout_ms;
	l->answer.status = 0;
	buf_clear(&l->answer.body);
	buf_clear(&l->answer.why);
	curl_easy_setopt(l->easy, CURLOPT_URL, url);
	if (strcmp(method, "POST") == 0)
		curl_easy_setopt(l->easy, CURLOPT_COPYPOSTFIELDS, "");
	else
		curl_easy_setopt(l->easy, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(l->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_multi_add_handle(l->multi, l->easy);
	l->is_busy = true;
	free(url);
}

bool daemonlink_is_busy(const struct daemonlink *l)
{
	return l->is_busy;
}

static void finish(struct daemonlink *l, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(l->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(l->multi, l->easy);
	l->is_busy = false;
	if (code == CURLE_OK)
		l->answer.status = (unsigned)status;
	else
		explain(l, code);
}

static void perform(struct daemonlink *l)
{
	const CURLMsg *message;
	int n;

	curl_multi_perform(l->multi, &n);
	while (l->is_busy && (message = curl_multi_info_read(l->multi, &n))) {
		if (message->msg == CURLMSG_DONE)
			finish(l, message->data.result);
	}
}

void daemonlink_wait(struct daemonlink *l, const int fds[], size_t n_fds, uint64_t ms)
{
	struct curl_waitfd wait[FDS_MAX];
	unsigned n = 0;

	for (size_t i = 0; i < n_fds && n < FDS_MAX; i++) {
		if (fds[i] >= 0)
			wait[n++] =
			    (struct curl_waitfd){ .fd = fds[i], .events = CURL_WAIT_POLLIN };
	}
	perform(l);
	/* What has just come is not waited for. */
	curl_multi_poll(l->multi, wait, n, l->is_busy || n ? (int)ms : 0, NULL);
	perform(l);
}

const struct daemon_answer *daemonlink_answer(const struct daemonlink *l)
{
	return &l->answer;
}
