/* SPDX-License-Identifier: MIT */
/*
 * Owns everything: the loop, the shared Redis and handler hosts, the consumers; starts them, passes
 * signals on to them, and leaves when all of them have drained.
 *
 *   STARTING ─▶ RUNNING ─▶ DRAINING (runs may finish) ─▶ HURRYING (runs are killed)
 *                             └──▶ SETTLING (Redis is told) ◀──┘ ─▶ stop
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "consumer/consumer.h"
#include "daemon/lock.h"
#include "daemon/options.h"

enum {
	READY_LOOK_MS = 20,
	SETTLE_MS = 5000, /* for what Redis must still be told when all runs are over */
};

enum daemon_state {
	DAEMON_STARTING,
	DAEMON_RUNNING,
	DAEMON_DRAINING,
	DAEMON_HURRYING,
	DAEMON_SETTLING
};

struct daemon {
	const struct config *config;
	enum daemon_state state;
	struct loop *loop;
	struct redis_host redis;
	struct keyspace *keyspace;
	struct handler_host handlers;
	struct consumer_host host;
	struct consumer **consumers;
	size_t n_consumers;
	ev_signal on_term, on_int, on_hup, on_usr1;
	ev_timer step; /* STARTING: is it ready? DRAINING, HURRYING: time is up */
	char hostname[256];
};

/* ---- leaving ---- */

static bool all_runs_over(const struct daemon *d)
{
	for (size_t i = 0; i < d->n_consumers; i++) {
		if (!consumer_runs_are_over(d->consumers[i]))
			return false;
	}
	return true;
}

static void on_runs_over(void *owner)
{
	struct daemon *d = owner;

	if (!all_runs_over(d))
		return;
	d->state = DAEMON_SETTLING;
	loop_timer_in(d->loop, &d->step, SETTLE_MS);
}

static bool all_drained(const struct daemon *d)
{
	for (size_t i = 0; i < d->n_consumers; i++) {
		if (!consumer_is_drained(d->consumers[i]))
			return false;
	}
	return true;
}

static void on_consumer_drained(void *owner)
{
	struct daemon *d = owner;

	if (all_drained(d))
		loop_stop(d->loop);
}

static uint64_t longest_kill_grace_ms(const struct daemon *d)
{
	uint64_t longest_ms = 0;

	for (size_t i = 0; i < d->config->n_consumers; i++) {
		uint64_t grace_ms = d->config->consumers[i].handler.kill_grace_ms;

		if (grace_ms > longest_ms)
			longest_ms = grace_ms;
	}
	return longest_ms;
}

static void drain(struct daemon *d)
{
	d->state = DAEMON_DRAINING;
	log_event(LEVEL_NOTICE, EVENT_DRAINING, NULL, "stopping: runs may finish within %llu ms",
	    (unsigned long long)d->config->daemon.drain_timeout_ms);
	loop_timer_in(d->loop, &d->step, d->config->daemon.drain_timeout_ms);
	for (size_t i = 0; i < d->n_consumers; i++)
		consumer_drain(d->consumers[i]);
}

static void hurry(struct daemon *d)
{
	d->state = DAEMON_HURRYING;
	log_event(LEVEL_NOTICE, EVENT_DRAINING, NULL, "ending the runs that are left");
	loop_timer_in(d->loop, &d->step, longest_kill_grace_ms(d) + SETTLE_MS);
	for (size_t i = 0; i < d->n_consumers; i++)
		consumer_end_runs(d->consumers[i]);
}

static void give_up(struct daemon *d)
{
	size_t n_held = 0;

	for (size_t i = 0; i < d->n_consumers; i++)
		n_held += consumer_totals(d->consumers[i])->n_held;
	log_event(LEVEL_WARNING, EVENT_DRAINING, NULL,
	    "Redis has not taken everything in time: %zu entries stay pending", n_held);
	loop_stop(d->loop);
}

static void on_terminate(struct ev_loop *ev, ev_signal *w, int events)
{
	struct daemon *d = w->data;

	(void)ev;
	(void)events;
	if (d->state < DAEMON_DRAINING)
		drain(d);
	else if (d->state == DAEMON_DRAINING)
		hurry(d);
	else
		give_up(d);
}

/* ---- other signals ---- */

static void on_hangup(struct ev_loop *ev, ev_signal *w, int events)
{
	(void)ev;
	(void)w;
	(void)events;
	log_event(LEVEL_WARNING, EVENT_RELOAD_REFUSED, NULL,
	    "this version does not reload: restart it to apply a changed file");
}

static void on_summary(struct ev_loop *ev, ev_signal *w, int events)
{
	struct daemon *d = w->data;

	(void)ev;
	(void)events;
	for (size_t i = 0; i < d->n_consumers; i++)
		consumer_log_summary(d->consumers[i]);
}

static void watch_signal(struct daemon *d, ev_signal *w, int signum,
    void (*callback)(struct ev_loop *ev, ev_signal *w, int events))
{
	ev_signal_init(w, callback, signum);
	w->data = d;
	ev_signal_start(loop_ev(d->loop), w);
}

static void watch_signals(struct daemon *d)
{
	signal(SIGPIPE, SIG_IGN);
	watch_signal(d, &d->on_term, SIGTERM, on_terminate);
	watch_signal(d, &d->on_int, SIGINT, on_terminate);
	watch_signal(d, &d->on_hup, SIGHUP, on_hangup);
	watch_signal(d, &d->on_usr1, SIGUSR1, on_summary);
}

static void unwatch_signals(struct daemon *d)
{
	struct ev_loop *ev = loop_ev(d->loop);

	ev_signal_stop(ev, &d->on_term);
	ev_signal_stop(ev, &d->on_int);
	ev_signal_stop(ev, &d->on_hup);
	ev_signal_stop(ev, &d->on_usr1);
}

/* ---- starting ---- */

static void look_whether_ready(struct daemon *d)
{
	size_t n_connected = 0;

	for (size_t i = 0; i < d->n_consumers; i++) {
		if (!consumer_has_tried(d->consumers[i])) {
			loop_timer_in(d->loop, &d->step, READY_LOOK_MS);
			return;
		}
		n_connected += consumer_is_connected(d->consumers[i]);
	}
	d->state = DAEMON_RUNNING;
	log_event(LEVEL_NOTICE, EVENT_READY, NULL, "%zu consumers, %zu connected", d->n_consumers,
	    n_connected);
}

static void on_step(struct ev_loop *ev, ev_timer *w, int events)
{
	struct daemon *d = w->data;

	(void)ev;
	(void)events;
	if (d->state == DAEMON_STARTING)
		look_whether_ready(d);
	else if (d->state == DAEMON_DRAINING)
		hurry(d);
	else if (d->state != DAEMON_RUNNING)
		give_up(d);
}

static void on_stall(void *owner, uint64_t gap_ms)
{
	struct daemon *d = owner;
	struct log_fields fields = { .duration_ms = log_number(gap_ms) };

	log_event(LEVEL_WARNING, EVENT_STALLED, &fields, "the daemon stood still for %llu ms",
	    (unsigned long long)gap_ms);
	for (size_t i = 0; i < d->n_consumers; i++)
		consumer_stalled(d->consumers[i], gap_ms);
}

/* A third of the shortest lease: longer than that, and others may have taken what is ours. */
static uint64_t stall_threshold_ms(const struct config *config)
{
	uint64_t shortest_ms = UINT64_MAX;

	for (size_t i = 0; i < config->n_consumers; i++) {
		if (config->consumers[i].claim.min_idle_ms < shortest_ms)
			shortest_ms = config->consumers[i].claim.min_idle_ms;
	}
	return shortest_ms / 3;
}

static void make_hosts(struct daemon *d)
{
	const struct daemon_settings *settings = &d->config->daemon;
	char *client_name = xasprintf("sluiced.%s", settings->instance);

	if (gethostname(d->hostname, sizeof(d->hostname) - 1))
		strcpy(d->hostname, "localhost");
	d->redis = (struct redis_host){
		.loop = d->loop,
		.resolver = resolver_new(d->loop),
		.settings = &d->config->redis,
		.dice = clock_wall_ms() ^ (uint64_t)getpid() << 32,
	};
	d->keyspace = keyspace_new(&d->redis, client_name);
	d->handlers = (struct handler_host){
		.loop = d->loop,
		.environment = handler_environment_new(environ),
	};
	d->host = (struct consumer_host){
		.loop = d->loop,
		.redis = &d->redis,
		.keyspace = d->keyspace,
		.handlers = &d->handlers,
		.instance = settings->instance,
		.hostname = d->hostname,
		.max_held_bytes = settings->max_in_flight_bytes,
		.rng = { d->redis.dice },
		.owner = d,
		.on_runs_over = on_runs_over,
		.on_drained = on_consumer_drained,
	};
	list_init(&d->host.at_bytes);
	free(client_name);
}

static void start(struct daemon *d)
{
	const struct config *config = d->config;

	d->loop = loop_new();
	watch_signals(d);
	make_hosts(d);
	d->n_consumers = config->n_consumers;
	d->consumers = xcalloc(d->n_consumers, sizeof(struct consumer *));
	for (size_t i = 0; i < d->n_consumers; i++)
		d->consumers[i] = consumer_new(&d->host, &config->consumers[i]);
	for (size_t i = 0; i < d->n_consumers; i++)
		consumer_start(d->consumers[i]);
	keyspace_open(d->keyspace);
	loop_watch_stalls(d->loop, stall_threshold_ms(config), on_stall, d);
	ev_init(&d->step, on_step);
	d->step.data = d;
	loop_timer_in(d->loop, &d->step, READY_LOOK_MS);
}

static void stop(struct daemon *d)
{
	keyspace_close(d->keyspace);
	for (size_t i = 0; i < d->n_consumers; i++)
		consumer_free(d->consumers[i]);
	free(d->consumers);
	keyspace_free(d->keyspace);
	resolver_free(d->redis.resolver);
	arena_cache_done(&d->redis.arena_cache);
	handler_environment_free(d->handlers.environment);
	ev_timer_stop(loop_ev(d->loop), &d->step);
	unwatch_signals(d);
	loop_free(d->loop);
}

int daemon_run(const struct config *config)
{
	struct daemon d = { .config = config };
	const char *why;
	int lock_fd, r = lock_take(config->daemon.runtime_dir, &lock_fd, &why);

	if (r) {
		log_event(LEVEL_ERROR, EVENT_STOPPED, NULL, "%s: %s", config->daemon.runtime_dir,
		    why);
		return EXIT_RUNTIME;
	}
	log_event(LEVEL_NOTICE, EVENT_STARTED, NULL, "sluiced %s, instance %s, %zu consumers",
	    SLUICED_VERSION, config->daemon.instance, config->n_consumers);
	start(&d);
	loop_run(d.loop);
	stop(&d);
	log_event(LEVEL_NOTICE, EVENT_STOPPED, NULL, "stopped");
	log_flush();
	close(lock_fd);
	return EXIT_CLEAN;
}
