/* SPDX-License-Identifier: MIT */
/*
 * Owns the lookups. A resolution belongs to its thread until that has put it on the list of
 * finished ones, which the loop empties when an ev_async wakes it; ev_async_send() is the one libev
 * call that threads may make. A thread cannot be stopped: a cancelled resolution is merely not
 * reported, and the shared part outlives the resolver until the last thread has let go of it.
 */
#include "redis/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct shared {
	pthread_mutex_t lock;
	struct list finished; /* of struct resolution */
	unsigned n_users;     /* the resolver and each running thread */
	bool closed;          /* the resolver is gone: wake nobody */
	struct ev_loop *ev;
	ev_async wake;
};

struct resolver {
	struct loop *loop;
	struct shared *shared;
};

struct resolution {
	struct list_node node;
	struct shared *shared;
	resolved_fn *on_done; /* NULL: cancelled; touched by the loop's thread alone */
	void *owner;
	char *host;
	uint16_t port;
	int error; /* of getaddrinfo */
	struct address_list list;
};

static void resolution_free(struct resolution *r)
{
	free(r->host);
	free(r);
}

static void shared_let_go(struct shared *s)
{
	bool last;
	struct list_node *node;

	pthread_mutex_lock(&s->lock);
	last = --s->n_users == 0;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	while ((node = list_pop(&s->finished)))
		resolution_free(container_of(node, struct resolution, node));
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int lookup(const char *host, uint16_t port, int flags, struct address_list *ret_list)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV };
	struct addrinfo *found;
	struct address_list list = { .len = 0 };
	char service[8];
	int error;

	snprintf(service, sizeof(service), "%u", port);
	error = getaddrinfo(host, service, &hints, &found);
	if (error)
		return error;
	for (struct addrinfo *a = found; a && list.len < ADDRESSES_MAX; a = a->ai_next) {
		struct address *to = &list.items[list.len];

		if (a->ai_addrlen > sizeof(to->storage))
			continue;
		memcpy(&to->storage, a->ai_addr, a->ai_addrlen);
		to->len = a->ai_addrlen;
		to->family = a->ai_family;
		list.len++;
	}
	freeaddrinfo(found);
	*ret_list = list;
	return 0;
}

static void *thread_main(void *arg)
{
	struct resolution *r = arg;
	struct shared *s = r->shared;

	r->error = lookup(r->host, r->port, 0, &r->list);
	pthread_mutex_lock(&s->lock);
	list_append(&s->finished, &r->node);
	if (!s->closed)
		ev_async_send(s->ev, &s->wake);
	pthread_mutex_unlock(&s->lock);
	shared_let_go(s);
	return NULL;
}

static struct resolution *next_finished(struct shared *s)
{
	struct list_node *node;

	pthread_mutex_lock(&s->lock);
	node = list_pop(&s->finished);
	pthread_mutex_unlock(&s->lock);
	return node ? container_of(node, struct resolution, node) : NULL;
}

static void on_wake(struct ev_loop *ev, ev_async *w, int events)
{
	struct shared *s = w->data;
	struct resolution *r;

	(void)ev;
	(void)events;
	while ((r = next_finished(s))) {
		if (r->on_done && r->error)
			r->on_done(r->owner, NULL, gai_strerror(r->error));
		else if (r->on_done)
			r->on_done(r->owner, &r->list, NULL);
		resolution_free(r);
	}
}

struct resolver *resolver_new(struct loop *loop)
{
	struct resolver *r = xcalloc(1, sizeof(*r));
	struct shared *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	list_init(&s->finished);
	s->n_users = 1;
	s->ev = loop_ev(loop);
	ev_async_init(&s->wake, on_wake);
	s->wake.data = s;
	ev_async_start(s->ev, &s->wake);
	r->loop = loop;
	r->shared = s;
	return r;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->shared->lock);
	r->shared->closed = true;
	pthread_mutex_unlock(&r->shared->lock);
	ev_async_stop(loop_ev(r->loop), &r->shared->wake);
	shared_let_go(r->shared);
	free(r);
}

int resolve_numeric(const char *host, uint16_t port, struct address_list *ret_list)
{
	return lookup(host, port, AI_NUMERICHOST, ret_list) ? -EINVAL : 0;
}

/* Signals are the loop's: the thread is started with all of them blocked. */
static int start_thread(struct resolution *r)
{
	pthread_attr_t detached;
	pthread_t thread;
	sigset_t all, old;
	int error;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, &detached, thread_main, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&detached);
	return error;
}

struct resolution *resolve_start(struct resolver *resolver, const char *host, uint16_t port,
    resolved_fn *on_done, void *owner)
{
	struct resolution *r = xcalloc(1, sizeof(*r));
	struct shared *s = resolver->shared;

	r->shared = s;
	r->host = xstrdup(host);
	r->port = port;
	r->on_done = on_done;
	r->owner = owner;
	pthread_mutex_lock(&s->lock);
	s->n_users++;
	pthread_mutex_unlock(&s->lock);
	if (start_thread(r)) {
		/* No thread to be had: report it from the loop like any other failure. */
		r->error = EAI_AGAIN;
		pthread_mutex_lock(&s->lock);
		list_append(&s->finished, &r->node);
		s->n_users--;
		pthread_mutex_unlock(&s->lock);
		ev_async_send(s->ev, &s->wake);
	}
	return r;
}

void resolve_cancel(struct resolution *r)
{
	if (r)
		r->on_done = NULL;
}
