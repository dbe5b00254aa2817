/* SPDX-License-Identifier: MIT */
/*
 * Owns the lookups. What a lookup has found belongs to its thread until that has put it on the list
 * of finished ones, which the loop empties when an ev_async wakes it; ev_async_send() is the one
 * libev call that threads may make. A thread cannot be stopped: one that nobody waits for any more
 * is left alone, and the shared part outlives the resolver until the last thread has let go of it.
 *
 * Who asks for what is being looked up already joins: a thousand readers that reconnect to one name
 * ask once.
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
	struct list finished; /* of struct lookup */
	unsigned n_users;     /* the resolver and each running thread */
	bool closed;          /* the resolver is gone: wake nobody */
	struct ev_loop *ev;
	ev_async wake;
};

struct resolver {
	struct loop *loop;
	struct shared *shared;
	struct list running; /* of struct lookup */
};

/* One thread's work. */
struct lookup {
	struct list_node node; /* on the list of finished ones */
	struct shared *shared;
	char *host;
	uint16_t port;
	int error; /* of getaddrinfo */
	struct address_list list;

	/* Touched by the loop's thread alone. */
	struct resolver *resolver;
	struct list_node running_node;
	struct list waiting; /* of struct resolution */
};

struct resolution {
	struct list_node node;
	struct lookup *lookup;
	resolved_fn *on_done;
	void *owner;
};

static void lookup_free(struct lookup *l)
{
	free(l->host);
	free(l);
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
		lookup_free(container_of(node, struct lookup, node));
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int look_up(const char *host, uint16_t port, int flags, struct address_list *ret_list)
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
	struct lookup *l = arg;
	struct shared *s = l->shared;

	l->error = look_up(l->host, l->port, 0, &l->list);
	pthread_mutex_lock(&s->lock);
	list_append(&s->finished, &l->node);
	if (!s->closed)
		ev_async_send(s->ev, &s->wake);
	pthread_mutex_unlock(&s->lock);
	shared_let_go(s);
	return NULL;
}

static struct lookup *next_finished(struct shared *s)
{
	struct list_node *node;

	pthread_mutex_lock(&s->lock);
	node = list_pop(&s->finished);
	pthread_mutex_unlock(&s->lock);
	return node ? container_of(node, struct lookup, node) : NULL;
}

static void tell(const struct lookup *l, const struct resolution *r)
{
	if (l->error)
		r->on_done(r->owner, NULL, gai_strerror(l->error));
	else
		r->on_done(r->owner, &l->list, NULL);
}

/* Whoever asks from now on asks anew; and who is told may cancel others that wait. */
static void tell_all(struct lookup *l)
{
	struct list_node *node;

	list_remove(&l->resolver->running, &l->running_node);
	while ((node = list_pop(&l->waiting))) {
		struct resolution *waiting = container_of(node, struct resolution, node);
		struct resolution r = *waiting;

		free(waiting);
		tell(l, &r);
	}
}

static void on_wake(struct ev_loop *ev, ev_async *w, int events)
{
	struct shared *s = w->data;
	struct lookup *l;

	(void)ev;
	(void)events;
	while ((l = next_finished(s))) {
		tell_all(l);
		lookup_free(l);
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
	list_init(&r->running);
	return r;
}

static void forget_waiting(struct resolver *r)
{
	struct list_node *running, *node;

	while ((running = list_pop(&r->running))) {
		struct lookup *l = container_of(running, struct lookup, running_node);

		while ((node = list_pop(&l->waiting)))
			free(container_of(node, struct resolution, node));
	}
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->shared->lock);
	r->shared->closed = true;
	pthread_mutex_unlock(&r->shared->lock);
	ev_async_stop(loop_ev(r->loop), &r->shared->wake);
	forget_waiting(r);
	shared_let_go(r->shared);
	free(r);
}

int resolve_numeric(const char *host, uint16_t port, struct address_list *ret_list)
{
	return look_up(host, port, AI_NUMERICHOST, ret_list) ? -EINVAL : 0;
}

/* Signals are the loop's: the thread is started with all of them blocked. */
static int start_thread(struct lookup *l)
{
	pthread_attr_t detached;
	pthread_t thread;
	sigset_t all, old;
	int error;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, &detached, thread_main, l);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&detached);
	return error;
}

static struct lookup *find_running(const struct resolver *resolver, const char *host, uint16_t port)
{
	list_foreach(&resolver->running, node) {
		struct lookup *l = container_of(node, struct lookup, running_node);

		if (l->port == port && strcmp(l->host, host) == 0)
			return l;
	}
	return NULL;
}

static struct lookup *start_lookup(struct resolver *resolver, const char *host, uint16_t port)
{
	struct lookup *l = xcalloc(1, sizeof(*l));
	struct shared *s = resolver->shared;

	l->resolver = resolver;
	l->shared = s;
	l->host = xstrdup(host);
	l->port = port;
	list_init(&l->waiting);
	list_append(&resolver->running, &l->running_node);
	pthread_mutex_lock(&s->lock);
	s->n_users++;
	pthread_mutex_unlock(&s->lock);
	if (start_thread(l)) {
		/* No thread to be had: report it from the loop like any other failure. */
		l->error = EAI_AGAIN;
		pthread_mutex_lock(&s->lock);
		list_append(&s->finished, &l->node);
		s->n_users--;
		pthread_mutex_unlock(&s->lock);
		ev_async_send(s->ev, &s->wake);
	}
	return l;
}

struct resolution *resolve_start(struct resolver *resolver, const char *host, uint16_t port,
    resolved_fn *on_done, void *owner)
{
	struct resolution *r = xcalloc(1, sizeof(*r));
	struct lookup *running = find_running(resolver, host, port);

	r->lookup = running ? running : start_lookup(resolver, host, port);
	r->on_done = on_done;
	r->owner = owner;
	list_append(&r->lookup->waiting, &r->node);
	return r;
}

void resolve_cancel(struct resolution *r)
{
	if (!r)
		return;
	list_remove(&r->lookup->waiting, &r->node);
	free(r);
}
