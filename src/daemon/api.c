/* SPDX-License-Identifier: MIT */
/*
 * Turns a request into a call. The routes are a table; what changes something is a POST, and a POST
 * is for those alone who may open the unix socket.
 */
#include "daemon/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "control/http.h"
#include "daemon/activation.h"
#include "daemon/metrics.h"
#include "daemon/status.h"

static const char type_json[] = "application/json";
static const char type_text[] = "text/plain; charset=utf-8";
static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

struct api {
	struct api_spec spec;
	struct http *http;
	uint64_t started_at_ms, started_wall_ms;
};

/* One request on its way to its answer. */
struct call {
	struct api *api;
	const struct http_request *request;
	struct http_answer *answer;
	struct member *member; /* of a route that names a consumer */
};

/* ---- answers ---- */

static struct json answer_json(struct call *c, unsigned status)
{
	c->answer->status = status;
	c->answer->type = type_json;
	return (struct json){ .to = &c->answer->body };
}

static void end_line(struct call *c)
{
	buf_append_char(&c->answer->body, '\n');
}

static void fail(struct call *c, unsigned status, const char *error)
{
	struct json j = answer_json(c, status);

	json_object_begin(&j);
	json_key(&j, "error");
	json_text(&j, error);
	json_object_end(&j);
	end_line(c);
}

static struct view view_of(const struct api *a)
{
	return (struct view){
		.loop = a->spec.loop,
		.roster = a->spec.roster,
		.instance = a->spec.instance,
		.hostname = a->spec.hostname,
		.state = a->spec.state(a->spec.owner),
		.started_at_ms = a->started_at_ms,
		.started_wall_ms = a->started_wall_ms,
	};
}

/* ---- pages ---- */

static void want_figures(const struct call *c)
{
	const struct roster *r = c->api->spec.roster;

	for (struct member *m = roster_next(r, NULL); m; m = roster_next(r, m))
		consumer_want_figures(m->consumer);
}

static void get_metrics(struct call *c)
{
	struct view v = view_of(c->api);

	want_figures(c);
	c->answer->status = 200;
	c->answer->type = type_metrics;
	metrics_write(&v, &c->answer->body);
}

static void get_health(struct call *c)
{
	c->answer->status = 200;
	c->answer->type = type_text;
	buf_append_text(&c->answer->body, "ok\n");
}

static void get_readiness(struct call *c)
{
	struct view v = view_of(c->api);

	c->answer->type = type_json;
	c->answer->status = readiness_write(&v, &c->answer->body) ? 200 : 503;
}

static void get_status(struct call *c)
{
	struct view v = view_of(c->api);

	want_figures(c);
	c->answer->status = 200;
	c->answer->type = type_json;
	status_write(&v, &c->answer->body);
}

/* ---- what changes something ---- */

static void write_lines(struct json *j, const char *key, const struct buf *lines)
{
	const char *line = buf_data(lines), *end;
	size_t left = buf_len(lines);

	json_key(j, key);
	json_array_begin(j);
	for (; left && (end = memchr(line, '\n', left)); line = end + 1) {
		char *text = xstrndup(line, (size_t)(end - line));

		json_text(j, text);
		free(text);
		left -= (size_t)(end + 1 - line);
	}
	json_array_end(j);
}

static void post_reload(struct call *c)
{
	const struct api_spec *spec = &c->api->spec;
	struct buf lines = { 0 };
	int r = spec->reload(spec->owner, &lines);
	struct json j = answer_json(c, r == -EBUSY ? 409 : r ? 422 : 200);

	json_object_begin(&j);
	if (r) {
		json_key(&j, "error");
		json_text(&j, r == -EBUSY ? "the daemon is stopping" : "the file is refused");
	} else {
		json_key(&j, "reloaded");
		json_bool(&j, true);
	}
	write_lines(&j, r ? "errors" : "warnings", &lines);
	json_object_end(&j);
	end_line(c);
	buf_done(&lines);
}

static void post_drain(struct call *c)
{
	const struct api_spec *spec = &c->api->spec;
	struct json j = answer_json(c, 200);

	spec->drain(spec->owner);
	json_object_begin(&j);
	json_key(&j, "state");
	json_text(&j, spec->state(spec->owner));
	json_object_end(&j);
	end_line(c);
}

static void tell_paused(struct call *c)
{
	struct json j = answer_json(c, 200);

	json_object_begin(&j);
	json_key(&j, "consumer");
	json_text(&j, consumer_name(c->member->consumer));
	json_key(&j, "paused");
	json_bool(&j, consumer_is_paused(c->member->consumer));
	json_object_end(&j);
	end_line(c);
}

static void post_pause(struct call *c)
{
	consumer_pause(c->member->consumer);
	tell_paused(c);
}

static void post_resume(struct call *c)
{
	consumer_resume(c->member->consumer);
	tell_paused(c);
}

static void post_concurrency(struct call *c)
{
	const char *text = http_argument(c->request, "n");
	struct json j;
	uint64_t n;

	if (!text || parse_u64(slice_of(text), &n) ||
	    consumer_set_concurrency(c->member->consumer, n)) {
		fail(c, 400, "n: expected a number from 1 to 10000");
		return;
	}
	j = answer_json(c, 200);
	json_object_begin(&j);
	json_key(&j, "consumer");
	json_text(&j, consumer_name(c->member->consumer));
	json_key(&j, "concurrency");
	json_u64(&j, n);
	json_object_end(&j);
	end_line(c);
}

/* ---- routes ---- */

static const char consumers[] = "/v1/consumers/";

/* An action is of a consumer, and stands behind its name; a path is the whole of it. */
static const struct route {
	const char *path, *action;
	bool changes;
	void (*answer)(struct call *c);
} routes[] = {
	{ .path = "/metrics", .answer = get_metrics },
	{ .path = "/healthz", .answer = get_health },
	{ .path = "/readyz", .answer = get_readiness },
	{ .path = "/v1/status", .answer = get_status },
	{ .path = "/v1/reload", .changes = true, .answer = post_reload },
	{ .path = "/v1/drain", .changes = true, .answer = post_drain },
	{ .action = "/pause", .changes = true, .answer = post_pause },
	{ .action = "/resume", .changes = true, .answer = post_resume },
	{ .action = "/concurrency", .changes = true, .answer = post_concurrency },
};

/* Where the name of the consumer is in a path that has this action. */
static bool find_name(const char *path, const char *action, struct slice *ret_name)
{
	size_t before = strlen(consumers), len = strlen(path), behind = strlen(action);

	if (strncmp(path, consumers, before) != 0 || len <= before + behind ||
	    strcmp(path + len - behind, action) != 0)
		return false;
	*ret_name = (struct slice){ path + before, len - before - behind };
	return true;
}

static const struct route *find_route(const char *path, struct slice *ret_name)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const struct route *r = &routes[i];

		if (r->path ? strcmp(path, r->path) == 0 : find_name(path, r->action, ret_name))
			return r;
	}
	return NULL;
}

static bool is_word(const struct http_request *r, const char *method)
{
	return strcmp(r->method, method) == 0;
}

static bool method_fits(const struct call *c, const struct route *route)
{
	if (route->changes)
		return is_word(c->request, "POST");
	return is_word(c->request, "GET") || is_word(c->request, "HEAD");
}

static bool is_leaving(const struct roster *r, const char *name)
{
	for (const struct member *m = roster_next(r, NULL); m; m = roster_next(r, m)) {
		if (strcmp(consumer_name(m->consumer), name) == 0)
			return true;
	}
	return false;
}

/* False when it has been answered that there is none. */
static bool find_member(struct call *c, struct slice name)
{
	const struct roster *r = c->api->spec.roster;
	char *text = xstrndup(name.data, name.len);
	bool leaving;

	c->member = roster_find(r, text);
	leaving = !c->member && is_leaving(r, text);
	free(text);
	if (leaving)
		fail(c, 409, "the consumer is leaving");
	else if (!c->member)
		fail(c, 404, "there is no such consumer");
	else if (!c->member->consumer)
		fail(c, 409, "the consumer starts when its predecessor has left");
	return c->member && c->member->consumer;
}

static void route(struct call *c)
{
	struct slice name = { 0 };
	const struct route *r = find_route(c->request->path, &name);

	if (c->request->over_tcp && is_word(c->request, "POST")) {
		fail(c, 403, "only a unix socket takes this");
	} else if (!r) {
		fail(c, 404, "there is no such page");
	} else if (!method_fits(c, r)) {
		c->answer->allow = r->changes ? "POST" : "GET, HEAD";
		fail(c, 405, "the page does not take this method");
	} else if (r->path || find_member(c, name)) {
		r->answer(c);
	}
}

static void on_request(void *owner, const struct http_request *r, struct http_answer *ret_answer)
{
	struct call c = { .api = owner, .request = r, .answer = ret_answer };

	route(&c);
}

/* ---- life ---- */

static int listen_on(struct api *a, const char *where)
{
	struct buf why = { 0 };
	int fd = activation_take(where);
	int r = fd >= 0 ? http_adopt(a->http, fd) : http_listen(a->http, where, &why);

	if (r)
		log_event(LEVEL_ERROR, EVENT_STOPPED, NULL, "cannot listen on %s: %.*s", where,
		    buf_len(&why) ? (int)buf_len(&why) : (int)strlen(strerror(-r)),
		    buf_len(&why) ? buf_data(&why) : strerror(-r));
	buf_done(&why);
	return r;
}

struct api *api_new(const struct api_spec *spec, const struct string_list *listen)
{
	struct api *a = xcalloc(1, sizeof(*a));

	a->spec = *spec;
	a->started_at_ms = loop_now_ms(spec->loop);
	a->started_wall_ms = clock_wall_ms();
	a->http = http_new(spec->loop, on_request, a);
	if (!a->http) {
		log_event(LEVEL_ERROR, EVENT_STOPPED, NULL, "cannot listen: %s", strerror(errno));
		free(a);
		return NULL;
	}
	for (size_t i = 0; i < listen->len; i++) {
		if (listen_on(a, listen->items[i])) {
			api_free(a);
			return NULL;
		}
	}
	return a;
}

void api_free(struct api *a)
{
	if (!a)
		return;
	http_free(a->http);
	free(a);
}
