/* SPDX-License-Identifier: MIT */
#include "ctl/daemonask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ctl/socketpath.h"

/* A reload checks every handler's file, and may wait for a slow disk. */
enum { ANSWER_MS = 30 * 1000, WHOSE_MS = 3000 };

static const char in_system[] = "/run/sluiced";

/* ---- finding it */

struct places {
	struct socket_roots roots;
	char *own[2];
};

static void places_init(struct places *p)
{
	const char *user_dir = getenv("XDG_RUNTIME_DIR");

	p->own[0] = user_dir && *user_dir == '/' ? xasprintf("%s/sluiced", user_dir) : NULL;
	p->own[1] = xasprintf("/tmp/sluiced-%u", (unsigned)geteuid());
	p->roots = (struct socket_roots){ in_system, { p->own[0], p->own[1] } };
}

static void places_done(struct places *p)
{
	free(p->own[0]);
	free(p->own[1]);
}

static void tell_several(const char *paths)
{
	complain("several daemons run here; choose one with --socket or --instance:");
	fprintf(stderr, "%s\n", paths);
}

/* The link makes the sentence: it knows the path, and why it cannot be reached. */
static void tell_unreachable(const char *path)
{
	struct daemonlink *l = daemonlink_new(path);

	if (daemon_ask(l, "GET", "/healthz") == CTL_DONE)
		complain("%s answers now: try again", path);
	daemonlink_free(l);
}

static struct daemonlink *link_to(int r, const struct buf *path)
{
	if (r == 0)
		return daemonlink_new(buf_data(path));
	if (r == -EEXIST)
		tell_several(buf_data(path));
	else
		tell_unreachable(buf_data(path));
	return NULL;
}

static bool is_instance(const char *path, const char *instance)
{
	struct daemonlink *l = daemonlink_new(path);
	json_t *document;
	bool is;

	daemonlink_begin(l, "GET", "/v1/status", WHOSE_MS);
	while (daemonlink_is_busy(l))
		daemonlink_wait(l, NULL, 0, WHOSE_MS);
	document = daemon_document(daemonlink_answer(l));
	is = document && json_is_string(json_object_get(document, "instance")) &&
	     strcmp(json_string_value(json_object_get(document, "instance")), instance) == 0;
	json_decref(document);
	daemonlink_free(l);
	return is;
}

/* Its own directory, or that of the default daemon whose configuration has the name. */
static struct daemonlink *find_instance(const struct socket_roots *roots, const char *instance)
{
	struct buf path = { 0 }, other = { 0 };
	struct daemonlink *l;
	int r = socketpath_find_instance(roots, instance, &path);

	if (r == -ENOENT && socketpath_find(roots, &other) == 0 &&
	    is_instance(buf_data(&other), instance))
		l = daemonlink_new(buf_data(&other));
	else
		l = link_to(r, &path);
	buf_done(&path);
	buf_done(&other);
	return l;
}

static struct daemonlink *find_any(const struct socket_roots *roots)
{
	struct buf path = { 0 };
	struct daemonlink *l = link_to(socketpath_find(roots, &path), &path);

	buf_done(&path);
	return l;
}

/* The first address that is a unix socket: a TCP one would take no POST. */
static struct daemonlink *find_configured(struct ctl *c)
{
	const struct config *config = ctl_config(c);

	if (!config) {
		complain("so where the daemon listens is not known: name it with --socket");
		return NULL;
	}
	for (size_t i = 0; i < config->daemon.listen.len; i++) {
		const char *where = config->daemon.listen.items[i];

		if (strncmp(where, "unix:", 5) == 0) {
			char *path = xstrndup(where + 5, strcspn(where + 5, "?"));
			struct daemonlink *l = daemonlink_new(path);

			free(path);
			return l;
		}
	}
	complain("%s: daemon.listen has no unix socket", ctl_config_path(c));
	return NULL;
}

static struct daemonlink *search(const char *instance)
{
	struct places places;
	struct daemonlink *l;

	places_init(&places);
	l = instance ? find_instance(&places.roots, instance) : find_any(&places.roots);
	places_done(&places);
	return l;
}

struct daemonlink *daemon_find(struct ctl *c)
{
	const char *socket = args_text(&c->args, OPTION_SOCKET);

	if (socket)
		return daemonlink_new(socket);
	if (args_has(&c->args, OPTION_CONFIG))
		return find_configured(c);
	return search(args_text(&c->args, OPTION_INSTANCE));
}

/* ---- asking it */

json_t *daemon_document(const struct daemon_answer *a)
{
	struct slice body = buf_slice(&a->body);

	return body.len ? json_loadb(body.data, body.len, 0, NULL) : NULL;
}

/* Of a file that was refused: as `sluiced --check` prints them. */
static void print_each(const json_t *errors)
{
	const json_t *error;
	size_t i;

	json_array_foreach(errors, i, error)
	{
		fprintf(stderr, "%s\n", json_string_value(error));
	}
}

static void complain_of(const struct daemon_answer *a)
{
	json_t *document = daemon_document(a);
	const json_t *error = json_object_get(document, "error"),
	             *errors = json_object_get(document, "errors");

	if (!a->status)
		complain("%s", buf_data(&a->why));
	else if (!json_is_string(error))
		complain("the answer was HTTP status %u: is it a sluiced?", a->status);
	else
		complain("%s%s", json_string_value(error), json_array_size(errors) ? ":" : "");
	print_each(errors);
	json_decref(document);
}

enum ctl_exit daemon_ask(struct daemonlink *l, const char *method, const char *path)
{
	const struct daemon_answer *a = daemonlink_answer(l);

	daemonlink_begin(l, method, path, ANSWER_MS);
	while (daemonlink_is_busy(l))
		daemonlink_wait(l, NULL, 0, ANSWER_MS);
	if (a->status == 200)
		return CTL_DONE;
	complain_of(a);
	return a->status == 404 ? CTL_MISSING : CTL_FAILED;
}

enum ctl_exit daemon_ask_json(struct daemonlink *l, const char *method, const char *path,
    json_t **ret_document)
{
	enum ctl_exit status = daemon_ask(l, method, path);
	json_t *document;

	if (status != CTL_DONE)
		return status;
	document = daemon_document(daemonlink_answer(l));
	if (!document) {
		complain("%s answers, but not as a sluiced does", daemonlink_path(l));
		return CTL_FAILED;
	}
	*ret_document = document;
	return CTL_DONE;
}

static bool is_plain(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       strchr("-._~", c);
}

static void append_escaped(struct buf *to, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (is_plain(c))
			buf_append_char(to, (char)c);
		else
			buf_printf(to, "%%%02X", c);
	}
}

char *daemon_consumer_path(const char *name, const char *action)
{
	struct buf path = { 0 };

	buf_append_text(&path, "/v1/consumers/");
	append_escaped(&path, name);
	buf_append_char(&path, '/');
	buf_append_text(&path, action);
	return buf_take_text(&path);
}

json_t *daemon_consumer(json_t *status, const char *name)
{
	json_t *consumer;
	size_t i;

	json_array_foreach(json_object_get(status, "consumers"), i, consumer)
	{
		const char *is = json_string_value(json_object_get(consumer, "name"));

		if (is && strcmp(is, name) == 0)
			return consumer;
	}
	return NULL;
}
