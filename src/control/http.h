/* SPDX-License-Identifier: MIT */
/*
 * HTTP in the loop: requests come in, answers go out, and nobody who is slow about either keeps
 * anybody waiting. It knows nothing of what is asked.
 */
#ifndef SLUICED_CONTROL_HTTP_H
#define SLUICED_CONTROL_HTTP_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "loop/loop.h"

struct http;

struct http_request {
	const char *method, *path; /* the path without its arguments, and decoded */
	bool over_tcp;             /* anybody may have sent it, not only who may open a file */
	void *handle;              /* for http_argument() */
};

/* What stands behind "name=" in the query; NULL where it is not there. */
const char *http_argument(const struct http_request *r, const char *name);

struct http_answer {
	unsigned status;
	const char *type;  /* of the body; static text */
	const char *allow; /* with 405: static text; else NULL */
	struct buf body;
};

/* Fills in an answer that is zeroed, at once. */
typedef void http_fn(void *owner, const struct http_request *r, struct http_answer *ret_answer);

/* NULL when there are no descriptors left for it. */
struct http *http_new(struct loop *loop, http_fn *on_request, void *owner) MUST_CHECK;

/* Listens as an item of daemon.listen says. 0, or -errno with a text for people in ret_why. */
int http_listen(struct http *h, const char *where, struct buf *ret_why) MUST_CHECK;

/* Listens on a socket that was passed on by the service manager. 0 or -errno. */
int http_adopt(struct http *h, int fd) MUST_CHECK;

/* The library and its version; static text. */
const char *http_library(void);

/* Drops every connection and removes the files of sockets. NULL is allowed. */
void http_free(struct http *h);

#endif
