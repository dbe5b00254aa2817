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
#include "base/log.h"
#include "daemon/activation.h"
#include "daemon/api.h"
#include "daemon/lock.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/reload.h"
#include "daemon/roster.h"

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
	const struct daemon_spec *spec;
	struct config *config; /* in force */
	enum daemon_state state;
	struct loop *loop;
	struct notify *notify;
	struct api *api;
	struct handler_host handlers;
	struct site_spec sites;
	struct roster roster;
	ev_signal on_term, on_int, on_hup, on_usr1;
	ev_timer step; /* STARTING: is it ready? DRAINING, HURRYING: time is up */
	char *instance;
	char hostname[256];
};

/* ---- leaving ---- */

static void on_runs_over(void *owner)
{
	struct daemon *d = owner;

	d->state = DAEMON_SETTLING;
	loop_timer_in(d->loop, &d->step, SETTLE_MS);
}

static void on_empty(void *owner)
{
	struct daemon *d = owner;

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
	notify_stopping(d->notify);
	loop_timer_in(d->loop, &d->step, d->config->daemon.drain_timeout_ms);
	roster_close(&d->roster);
}

static void hurry(struct daemon *d)
{
	d->state = DAEMON_HURRYING;
	log_event(LEVEL_NOTICE, EVENT_DRAINING, NULL, "ending the runs that are left");
	loop_timer_in(d->loop, &d->step, longest_kill_grace_ms(d) + SETTLE_MS);
	roster_end_runs(&d->roster);
}

static void give_up(struct daemon *d)
{
	const struct roster *r = &d->roster;
	size_t n_held = 0;

	for (struct member *m = roster_next(r, NULL); m; m = roster_next(r, m))
		n_held += consumer_totals(m->consumer)->n_held;
	log_event(LEVEL_WARNING, EVENT_DRAINING, NULL,
	    "Redis has not taken everything in time: %zu entries stay pending", n_held);
	loop_stop(d->loop);
}

/* Each time it is told it is less patient. */
static void terminate(void *owner)
{
	struct daemon *d = owner;

	if (d->state < DAEMON_DRAINING)
		drain(d);
	else if (d->state == DAEMON_DRAINING)
		hurry(d);
	else
		give_up(d);
}

static void on_terminate(struct ev_loop *ev, ev_signal *w, int events)
{
	(void)ev;
	(void)events;
	terminate(w->data);
}

/* ---- the loop stood still ---- */

static void on_stall(void *owner, uint64_t gap_ms)
{
	struct daemon *d = owner;
	const struct roster *r = &d->roster;
	struct log_fields fields = { .duration_ms = log_number(gap_ms) };

	log_event(LEVEL_WARNING, EVENT_STALLED, &fields, "the daemon stood still for %llu ms",
	    (unsigned long long)gap_ms);
	for (struct member *m = roster_next(r, NULL); m; m = roster_next(r, m))
		consumer_stalled(m->consumer, gap_ms);
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

/* ---- reload ---- */

static void put_in_force(struct daemon *d, struct config *config)
{
	struct reload_counts n = reload_apply(&d->roster, &d->sites, config);
	struct config *before = d->config;

	d->config = config;
	d->spec->use_log_settings(config);
	loop_watch_stalls(d->loop, stall_threshold_ms(config), on_stall, d);
	config_free(before);
	log_event(LEVEL_NOTICE, EVENT_RELOADED, NULL,
	    "%zu consumers as before, %zu changed, %zu replaced, %zu added, %zu removed", n.same,
	    n.changed, n.replaced, n.added, n.removed);
}

static void tell(const struct diag *diag, enum log_level level, enum log_event event,
    struct buf *ret_lines)
{
	for (size_t i = 0; i < diag->n_messages; i++) {
		char *text = diag_format(diag, &diag->messages[i]);

		log_event(level, event, NULL, "%s", text);
		buf_append_text(ret_lines, text);
		buf_append_char(ret_lines, '\n');
		free(text);
	}
}

static void tell_reload_is_over(struct daemon *d, int error, const struct buf *lines)
{
	char *remark;

	if (!error) {
		notify_ready(d->notify, NULL);
		return;
	}
	remark = xasprintf("reload refused: %.*s", (int)buf_len(lines), buf_data(lines));
	remark[strcspn(remark, "\n")] = '\0';
	notify_ready(d->notify, remark);
	free(remark);
}

int daemon_reload(struct daemon *d, struct buf *ret_lines)
{
	struct config *config;
	struct diag diag;
	int r;

	if (d->state > DAEMON_RUNNING) {
		buf_append_text(ret_lines, "the daemon is stopping\n");
		return -EBUSY;
	}
	diag_init(&diag, d->spec->config_path);
	/* While starting it is not READY yet, and must not seem so because a reload is over. */
	if (d->state == DAEMON_RUNNING)
		notify_reloading(d->notify);
	r = reload_prepare(d->spec->config_path, d->config, &diag, &config);
	if (r) {
		tell(&diag, LEVEL_ERROR, EVENT_RELOAD_REFUSED, ret_lines);
	} else {
		tell(&diag, LEVEL_WARNING, EVENT_CONFIG_WARNING, ret_lines);
		put_in_force(d, config);
	}
	if (d->state == DAEMON_RUNNING)
		tell_reload_is_over(d, r, ret_lines);
	diag_done(&diag);
	return r;
}

/* ---- other signals ---- */

static void on_hangup(struct ev_loop *ev, ev_signal *w, int events)
{
	struct buf errors = { 0 };

	(void)ev;
	(void)events;
	/* What is wrong with the file is in the log. */
	daemon_reload(w->data, &errors);
	buf_done(&errors);
}

static void on_summary(struct ev_loop *ev, ev_signal *w, int events)
{
	const struct daemon *d = w->data;
	const struct roster *r = &d->roster;

	(void)ev;
	(void)events;
	for (struct member *m = roster_next(r, NULL); m; m = roster_next(r, m))
		consumer_log_summary(m->consumer);
}

static void watch_signal(struct daemon *d, ev_signal *w, int signum,
    void (*callback)(struct ev_loop *ev, ev_signal *w, int events))
{
	ev_signal_init(w, callback, signum);
	w->data = d;
	ev_signal_start(loop_ev(d->loop), w);
}

/* main() has held them back until somebody watches. */
static void let_signals_in(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void watch_signals(struct daemon *d)
{
	signal(SIGPIPE, SIG_IGN);
	watch_signal(d, &d->on_term, SIGTERM, on_terminate);
	watch_signal(d, &d->on_int, SIGINT, on_terminate);
	watch_signal(d, &d->on_hup, SIGHUP, on_hangup);
	watch_signal(d, &d->on_usr1, SIGUSR1, on_summary);
	let_signals_in();
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
	const struct roster *r = &d->roster;
	size_t n = 0, n_connected = 0;

	for (struct member *m = roster_next(r, NULL); m; m = roster_next(r, m)) {
		if (!consumer_has_tried(m->consumer)) {
			loop_timer_in(d->loop, &d->step, READY_LOOK_MS);
			return;
		}
		n++;
		n_connected += consumer_is_connected(m->consumer);
	}
	d->state = DAEMON_RUNNING;
	log_event(LEVEL_NOTICE, EVENT_READY, NULL, "%zu consumers, %zu connected", n, n_connected);
	notify_ready(d->notify, NULL);
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

static void make_hosts(struct daemon *d)
{
	if (gethostname(d->hostname, sizeof(d->hostname) - 1))
		strcpy(d->hostname, "localhost");
	d->handlers = (struct handler_host){
		.loop = d->loop,
		.environment = handler_environment_new(environ),
	};
	d->sites = (struct site_spec){
		.loop = d->loop,
		.resolver = resolver_new(d->loop),
		.handlers = &d->handlers,
		.instance = d->instance,
		.hostname = d->hostname,
		.owner = &d->roster,
		.on_runs_over = roster_on_runs_over,
		.on_drained = roster_on_drained,
	};
	d->roster = (struct roster){ .loop = d->loop,
		.owner = d,
		.on_runs_over = on_runs_over,
		.on_empty = on_empty };
	roster_init(&d->roster);
}

static struct notify_facts facts_for_notify(void *owner)
{
	const struct daemon *d = owner;
	const struct roster *r = &d->roster;
	struct notify_facts f = { 0 };

	for (struct member *m = roster_next(r, NULL); m; m = roster_next(r, m)) {
		const struct stats *stats = consumer_stats(m->consumer);

		f.n_consumers++;
		f.n_connected += consumer_is_connected(m->consumer);
		f.n_held += consumer_totals(m->consumer)->n_held;
		f.n_dead += stats->dead_rejected + stats->dead_attempts + stats->dead_trimmed +
		            stats->dead_oversize;
	}
	return f;
}

static void start_consumers(struct daemon *d)
{
	struct site *site = site_new(&d->sites, d->config);

	roster_add_site(&d->roster, site);
	for (size_t i = 0; i < d->config->n_consumers; i++)
		roster_add(&d->roster, site, d->config, &d->config->consumers[i]);
	site_open(site);
}

static const char *state_word(void *owner)
{
	const struct daemon *d = owner;

	switch (d->state) {
	case DAEMON_STARTING:
		return "starting";
	case DAEMON_RUNNING:
		return "running";
	case DAEMON_DRAINING:
		return "draining";
	case DAEMON_HURRYING:
		return "hurrying";
	case DAEMON_SETTLING:
		break;
	}
	return "settling";
}

static int reload_by_request(void *owner, struct buf *ret_lines)
{
	return daemon_reload(owner, ret_lines);
}

static struct api *make_api(struct daemon *d)
{
	const struct api_spec spec = {
		.loop = d->loop,
		.roster = &d->roster,
		.instance = d->instance,
		.hostname = d->hostname,
		.owner = d,
		.state = state_word,
		.drain = terminate,
		.reload = reload_by_request,
	};

	return api_new(&spec, &d->config->daemon.listen);
}

/* False when it cannot: the log says why. */
static bool start(struct daemon *d)
{
	d->loop = loop_new();
	watch_signals(d);
	make_hosts(d);
	ev_init(&d->step, on_step);
	d->step.data = d;
	d->api = make_api(d);
	if (!d->api)
		return false;
	start_consumers(d);
	loop_watch_stalls(d->loop, stall_threshold_ms(d->config), on_stall, d);
	loop_timer_in(d->loop, &d->step, READY_LOOK_MS);
	d->notify = notify_new(
	    &(struct notify_spec){ .loop = d->loop, .owner = d, .facts = facts_for_notify });
	activation_close_unused();
	return true;
}

static void stop(struct daemon *d)
{
	api_free(d->api);
	notify_free(d->notify);
	roster_done(&d->roster);
	resolver_free(d->sites.resolver);
	handler_environment_free(d->handlers.environment);
	ev_timer_stop(loop_ev(d->loop), &d->step);
	unwatch_signals(d);
	loop_free(d->loop);
}

int daemon_run(const struct daemon_spec *spec)
{
	struct daemon d = { .spec = spec, .config = config_keep(spec->config) };
	const struct daemon_settings *settings = &d.config->daemon;
	const char *why;
	bool started;
	int lock_fd, r;

	activation_init();
	r = lock_take(settings->runtime_dir, &lock_fd, &why);
	if (r) {
		log_event(LEVEL_ERROR, EVENT_STOPPED, NULL, "%s: %s", settings->runtime_dir, why);
		config_free(d.config);
		return EXIT_RUNTIME;
	}
	log_event(LEVEL_NOTICE, EVENT_STARTED, NULL, "sluiced %s, instance %s, %zu consumers",
	    SLUICED_VERSION, settings->instance, d.config->n_consumers);
	d.instance = xstrdup(settings->instance);
	started = start(&d);
	if (started)
		loop_run(d.loop);
	stop(&d);
	if (started)
		log_event(LEVEL_NOTICE, EVENT_STOPPED, NULL, "stopped");
	log_flush();
	config_free(d.config);
	free(d.instance);
	close(lock_fd);
	return started ? EXIT_CLEAN : EXIT_RUNTIME;
}
