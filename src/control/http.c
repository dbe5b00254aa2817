/* SPDX-License-Identifier: MIT */
/*
 * Owns the listening sockets and the list of clients; libmicrohttpd speaks HTTP with them, without
 * threads: its epoll descriptor is one more watcher of the loop, and it runs once a turn, after
 * everything that has to do with entries.
 *
 * The library counts a client as alive that sends a byte now and then. Here each has a fixed time
 * for a request and another for taking its answer, and where there are too many clients, or too
 * much waits to be taken, the one that has been about the same thing longest makes room. A client
 * is dropped by shutting its socket down: the library sees that as its end.
 *
 * What the library refuses before there is a request (400, 414, 431) it answers with pages of its
 * own, HTML, which it writes itself: no option or callback changes them.
 *
 * Invariant: `clients` is in the order of since_at_ms.
 */
#include "control/http.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/list.h"
#include "control/listener.h"

/* The results of its callbacks were plain int before. */
#if MHD_VERSION < 0x00097002
#define MHD_RESULT int
#else
#define MHD_RESULT enum MHD_Result
#endif

enum {
	CLIENTS_MAX = 256,
	CLIENTS_LEAVING_MAX = 64,
	ACCEPTS_PER_TURN = 16,
	PATIENCE_MS = 30 * 1000, /* longer than scrapers pause between two requests */
	ACCEPT_AGAIN_MS = 1000,
	MEMORY_PER_CLIENT = 16 * 1024, /* headers are bounded by it */
	REQUEST_BODY_MAX = 64 * 1024,  /* is read and thrown away */
	ANSWERS_MAX = 64 * 1024 * 1024,
};

struct client {
	struct list_node node; /* on clients, or on leaving */
	struct http *http;
	int fd;
	bool over_tcp;
	bool leaving;
	uint64_t since_at_ms; /* connected, answered, or done with the answer */
	size_t body_bytes;
	size_t answer_bytes; /* until the answer is taken */
};

struct door {
	struct list_node node;
	struct http *http;
	struct listener listener;
	ev_io io;
};

struct http {
	struct loop *loop;
	http_fn *on_request;
	void *owner;
	struct MHD_Daemon *mhd;
	struct list doors;
	struct list clients, leaving;
	size_t answer_bytes;
	struct client joining; /* the facts of the connection that is being added */
	ev_io io;
	ev_timer again;  /* the library has more to do */
	ev_timer reaper; /* the first of the clients has had its time */
	ev_timer accept_again;
	struct deferred run;
};

/* ---- clients ---- */

static void drop(struct client *c)
{
	struct http *h = c->http;

	c->leaving = true;
	list_remove(&h->clients, &c->node);
	list_append(&h->leaving, &c->node);
	h->answer_bytes -= c->answer_bytes;
	c->answer_bytes = 0;
	shutdown(c->fd, SHUT_RDWR);
	loop_defer(h->loop, &h->run);
}

static struct client *stalest(const struct http *h)
{
	struct list_node *node = list_first(&h->clients);

	return node ? container_of(node, struct client, node) : NULL;
}

static void watch_patience(struct http *h)
{
	const struct client *c = stalest(h);
	uint64_t now_ms = loop_now_ms(h->loop), due_ms;

	if (!c || ev_is_active(&h->reaper))
		return;
	due_ms = c->since_at_ms + PATIENCE_MS;
	loop_timer_in(h->loop, &h->reaper, due_ms > now_ms ? due_ms - now_ms : 0);
}

static void on_reaper(struct ev_loop *ev, ev_timer *w, int events)
{
	struct http *h = w->data;
	struct client *c;

	(void)ev;
	(void)events;
	while ((c = stalest(h)) && c->since_at_ms + PATIENCE_MS <= loop_now_ms(h->loop))
		drop(c);
	watch_patience(h);
}

/* It goes on to something else. */
static void touch(struct client *c)
{
	struct http *h = c->http;

	c->since_at_ms = loop_now_ms(h->loop);
	if (c->leaving)
		return;
	list_remove(&h->clients, &c->node);
	list_append(&h->clients, &c->node);
}

static struct client *client_new(struct http *h)
{
	struct client *c = xmemdup(&h->joining, sizeof(h->joining));

	list_append(&h->clients, &c->node);
	watch_patience(h);
	return c;
}

static void client_free(struct client *c)
{
	struct http *h = c->http;

	h->answer_bytes -= c->answer_bytes;
	list_remove(c->leaving ? &h->leaving : &h->clients, &c->node);
	free(c);
}

static void on_connection(void *owner, struct MHD_Connection *connection, void **socket_context,
    enum MHD_ConnectionNotificationCode code)
{
	(void)connection;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*socket_context = client_new(owner);
	else
		client_free(*socket_context);
}

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	    MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info->socket_context;
}

/* ---- requests ---- */

const char *http_argument(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->handle, MHD_GET_ARGUMENT_KIND, name);
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (value && MHD_add_response_header(response, name, value) != MHD_YES)
		abort();
}

/* The library frees the body when it has been sent. */
static struct MHD_Response *response_of(struct http_answer *a)
{
	struct MHD_Response *response;

	assert(a->body.start == 0);
	response = MHD_create_response_from_buffer(buf_len(&a->body), a->body.memory,
	    MHD_RESPMEM_MUST_FREE);
	if (!response)
		abort();
	add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	add_header(response, MHD_HTTP_HEADER_ALLOW, a->allow);
	add_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	return response;
}

/* What others do not take must not fill the memory. */
static void make_room_for_answer(struct client *c, size_t bytes)
{
	struct http *h = c->http;
	struct client *other;

	c->answer_bytes = c->leaving ? 0 : bytes;
	h->answer_bytes += c->answer_bytes;
	while (h->answer_bytes > ANSWERS_MAX && (other = stalest(h)) && other != c)
		drop(other);
}

static MHD_RESULT answer(struct client *c, struct MHD_Connection *connection,
    const struct http_request *r)
{
	struct http_answer a = { 0 };
	struct MHD_Response *response;
	MHD_RESULT result;

	c->http->on_request(c->http->owner, r, &a);
	touch(c);
	make_room_for_answer(c, buf_len(&a.body));
	response = response_of(&a);
	result = MHD_queue_response(connection, a.status, response);
	MHD_destroy_response(response);
	return result;
}

/* Called when the headers are there, then for each piece of a body, then for the answer. */
/* NOLINTNEXTLINE(readability-function-size): the parameters are the library's */
static MHD_RESULT on_access(void *owner, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload_data, size_t *upload_len,
    void **request_context)
{
	struct client *c = client_of(connection);

	(void)owner;
	(void)version;
	(void)upload_data;
	if (!*request_context) {
		*request_context = c;
		c->body_bytes = 0;
		return MHD_YES;
	}
	if (*upload_len) {
		c->body_bytes += *upload_len;
		*upload_len = 0;
		return c->body_bytes > REQUEST_BODY_MAX ? MHD_NO : MHD_YES;
	}
	return answer(c, connection,
	    &(struct http_request){ .method = method,
	        .path = url,
	        .over_tcp = c->over_tcp,
	        .handle = connection });
}

static void on_completed(void *owner, struct MHD_Connection *connection, void **request_context,
    enum MHD_RequestTerminationCode code)
{
	struct http *h = owner;
	struct client *c = client_of(connection);

	(void)request_context;
	(void)code;
	h->answer_bytes -= c->answer_bytes;
	c->answer_bytes = 0;
	touch(c);
}

/* ---- connections ---- */

static void add(struct http *h, const struct door *door, int fd)
{
	struct sockaddr_storage address = { .ss_family =
		                                door->listener.is_unix ? AF_UNIX : AF_INET };

	if (h->clients.len >= CLIENTS_MAX)
		drop(stalest(h));
	h->joining = (struct client){
		.http = h,
		.fd = fd,
		.over_tcp = !door->listener.is_unix,
		.since_at_ms = loop_now_ms(h->loop),
	};
	/* Where it cannot be taken the library closes it. The address is not looked at. */
	(void)MHD_add_connection(h->mhd, fd, (struct sockaddr *)&address,
	    sizeof(struct sockaddr_in));
	loop_defer(h->loop, &h->run);
}

static void stop_accepting_for_a_while(struct http *h)
{
	list_foreach(&h->doors, node) {
		ev_io_stop(loop_ev(h->loop), &container_of(node, struct door, node)->io);
	}
	loop_timer_in(h->loop, &h->accept_again, ACCEPT_AGAIN_MS);
}

static void on_accept_again(struct ev_loop *ev, ev_timer *w, int events)
{
	struct http *h = w->data;

	(void)events;
	list_foreach(&h->doors, node) {
		ev_io_start(ev, &container_of(node, struct door, node)->io);
	}
}

static void on_door(struct ev_loop *ev, ev_io *w, int events)
{
	struct door *door = w->data;
	struct http *h = door->http;

	(void)ev;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN && h->leaving.len < CLIENTS_LEAVING_MAX; i++) {
		int fd = accept4(door->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			add(h, door, fd);
			continue;
		}
		/* Out of descriptors or memory: it would be called again at once, and in vain. */
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			stop_accepting_for_a_while(h);
		return;
	}
}

/* ---- the library at work ---- */

static void on_run(struct deferred *d)
{
	struct http *h = container_of(d, struct http, run);
	MHD_UNSIGNED_LONG_LONG within_ms;

	MHD_run(h->mhd);
	if (MHD_get_timeout(h->mhd, &within_ms) == MHD_YES)
		loop_timer_in(h->loop, &h->again, within_ms);
}

static void on_io(struct ev_loop *ev, ev_io *w, int events)
{
	struct http *h = w->data;

	(void)ev;
	(void)events;
	loop_defer(h->loop, &h->run);
}

static void on_again(struct ev_loop *ev, ev_timer *w, int events)
{
	struct http *h = w->data;

	(void)ev;
	(void)events;
	loop_defer(h->loop, &h->run);
}

static struct MHD_Daemon *start_library(struct http *h)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_access,
	    h, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)(CLIENTS_MAX + CLIENTS_LEAVING_MAX + ACCEPTS_PER_TURN),
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CLIENT,
	    MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_NOTIFY_COMPLETED,
	    on_completed, h, MHD_OPTION_END);
}

static void watch_library(struct http *h)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);

	ev_io_init(&h->io, on_io, info->epoll_fd, EV_READ);
	h->io.data = h;
	/* Entries first. */
	ev_set_priority(&h->io, EV_MINPRI);
	ev_io_start(loop_ev(h->loop), &h->io);
}

/* ---- life ---- */

static void init_timer(struct http *h, ev_timer *timer,
    void (*callback)(struct ev_loop *ev, ev_timer *w, int events))
{
	ev_init(timer, callback);
	timer->data = h;
}

struct http *http_new(struct loop *loop, http_fn *on_request, void *owner)
{
	struct http *h = xcalloc(1, sizeof(*h));

	h->loop = loop;
	h->on_request = on_request;
	h->owner = owner;
	h->run.run = on_run;
	list_init(&h->doors);
	list_init(&h->clients);
	list_init(&h->leaving);
	init_timer(h, &h->again, on_again);
	init_timer(h, &h->reaper, on_reaper);
	init_timer(h, &h->accept_again, on_accept_again);
	h->mhd = start_library(h);
	if (!h->mhd) {
		free(h);
		return NULL;
	}
	watch_library(h);
	return h;
}

static void add_door(struct http *h, const struct listener *listener)
{
	struct door *door = xcalloc(1, sizeof(*door));

	door->http = h;
	door->listener = *listener;
	list_append(&h->doors, &door->node);
	ev_io_init(&door->io, on_door, listener->fd, EV_READ);
	door->io.data = door;
	ev_set_priority(&door->io, EV_MINPRI);
	ev_io_start(loop_ev(h->loop), &door->io);
}

int http_listen(struct http *h, const char *where, struct buf *ret_why)
{
	struct listeners ls;
	int r = listeners_open(where, &ls, ret_why);

	if (r)
		return r;
	for (size_t i = 0; i < ls.len; i++)
		add_door(h, &ls.items[i]);
	return 0;
}

int http_adopt(struct http *h, int fd)
{
	struct listener listener;
	int r = listener_adopt(fd, &listener);

	if (!r)
		add_door(h, &listener);
	return r;
}

const char *http_library(void)
{
	static char text[48];

	snprintf(text, sizeof(text), "libmicrohttpd %s", MHD_get_version());
	return text;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (!list_empty(&h->doors)) {
		struct door *door = container_of(list_pop(&h->doors), struct door, node);

		ev_io_stop(loop_ev(h->loop), &door->io);
		listener_close(&door->listener);
		free(door);
	}
	ev_io_stop(loop_ev(h->loop), &h->io);
	MHD_stop_daemon(h->mhd);
	ev_timer_stop(loop_ev(h->loop), &h->again);
	ev_timer_stop(loop_ev(h->loop), &h->reaper);
	ev_timer_stop(loop_ev(h->loop), &h->accept_again);
	loop_undefer(h->loop, &h->run);
	free(h);
}
