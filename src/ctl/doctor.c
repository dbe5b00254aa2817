/* SPDX-License-Identifier: MIT */
/* Goes through the table: each server once, each consumer, each of its streams, this machine. */
#include "ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ctl/progress.h"

/* So many places that cannot be reached are enough to know. */
enum { UNREACHABLE_MAX = 3 };

enum scope { OF_SERVER, OF_CONSUMER, OF_STREAM, OF_MACHINE };

struct check {
	enum scope scope;
	const char *name, *looks_at;
	void (*look)(struct doctor *d);
};

static const struct check connection = { OF_SERVER, "connection", "can it be reached?", NULL };

static const struct check checks[] = {
	{ OF_SERVER, "version", "Redis 6.2 or later", look_at_version },
	{ OF_SERVER, "eviction", "maxmemory-policy", look_at_eviction },
	{ OF_SERVER, "persistence", "append-only file, snapshots", look_at_persistence },
	{ OF_SERVER, "clock", "the server's against ours", look_at_clock },
	{ OF_CONSUMER, "rights", "of the Redis user", look_at_rights },
	{ OF_CONSUMER, "handler", "can the daemon's user run it?", look_at_handler },
	{ OF_STREAM, "stream", "its type", look_at_stream },
	{ OF_STREAM, "group", "is it there?", look_at_group },
	{ OF_STREAM, "dead letters", "type of their key", look_at_dead_letters },
	{ OF_STREAM, "name", "is it in use elsewhere?", look_at_name },
	{ OF_STREAM, "trimming", "was anything lost by it?", look_at_trimming },
	{ OF_MACHINE, "daemon", "does it run?", look_at_daemon },
	{ OF_MACHINE, "descriptors", "its limit against what it needs", look_at_descriptors },
	{ OF_MACHINE, "journal", "does it take records?", look_at_journal },
};

struct patient {
	const struct consumer_settings *settings; /* NULL: of no file */
	char *section;
	struct targets targets;
};

struct patients {
	struct patient *items;
	size_t len;
};

/* ---- for the checks */

void doctor_note(struct doctor *d, enum health health, const char *format, ...)
{
	struct finding f = {
		.check = d->check->name,
		.health = health,
		.section = xstrdup(d->section),
		.stream = d->target ? xstrdup(d->target->stream) : NULL,
	};
	va_list args;

	va_start(args, format);
	f.text = xvasprintf(format, args);
	va_end(args);
	findings_add(&d->findings, &f);
	free(f.section);
	free(f.stream);
	free(f.text);
}

bool is_refusal(const struct reply *r)
{
	return reply_is_error(r) && redis_error_class(r->text) == REDIS_AUTH;
}

const struct reply *doctor_ask(struct doctor *d, const char *right)
{
	const struct reply *r = ask(d->place);

	if (!r) {
		doctor_note(d, HEALTH_UNKNOWN, "could not be checked: no answer");
		return NULL;
	}
	if (is_refusal(r)) {
		doctor_note(d, HEALTH_UNKNOWN, "could not be checked: it takes the right +%s",
		    right);
		return NULL;
	}
	if (reply_is_error(r) && redis_error_class(r->text) == REDIS_UNSUPPORTED) {
		doctor_note(d, HEALTH_UNKNOWN, "could not be checked: the server does not know %s",
		    right);
		return NULL;
	}
	return r;
}

static void look(struct doctor *d, enum scope scope)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		if (checks[i].scope != scope)
			continue;
		d->check = &checks[i];
		checks[i].look(d);
	}
}

/* ---- servers */

/* As the findings name it; the caller frees it. */
static char *server_at(struct doctor *d, const struct place *p)
{
	const struct endpoint *at = home_endpoint(&p->home);
	const struct redis_settings *redis = ctl_redis(d->ctl);
	char *url, *text;

	if (at)
		return xasprintf("server %s", endpoint_text(at).text);
	if (redis->sentinel.master)
		return xasprintf("server, the primary of %s", redis->sentinel.master);
	url = redisurl_format(&redis->url);
	text = xasprintf("server %s", url);
	free(url);
	return text;
}

static bool is_known(const struct doctor *d, const char *section)
{
	for (size_t i = 0; i < d->findings.len; i++) {
		if (strcmp(d->findings.items[i].section, section) == 0)
			return true;
	}
	return false;
}

static void look_at_server(struct doctor *d, struct place *p)
{
	char *section = server_at(d, p);

	d->place = p;
	d->section = section;
	if (!is_known(d, section)) {
		d->check = &connection;
		doctor_note(d, HEALTH_OK, "connected");
		look(d, OF_SERVER);
	}
	free(section);
}

static void note_unreachable(struct doctor *d, const struct target *t, const struct fault *why)
{
	d->check = &connection;
	d->section = "server";
	doctor_note(d, HEALTH_ERROR, "the server of %s cannot be reached: %s", t->stream,
	    fault_is_set(why) ? why->why : "interrupted");
}

/* False, after noting why: it could not be reached. */
static bool open_and_look(struct doctor *d, struct target *t)
{
	struct fault why = { 0 };

	if (place_try(d->ctl->link, t->stream, &t->place, &why)) {
		note_unreachable(d, t, &why);
		return false;
	}
	look_at_server(d, &t->place);
	return true;
}

/* Opens the places, and looks at each server that is behind them. */
static void look_at_servers(struct doctor *d, struct patients *all)
{
	unsigned n_unreachable = 0, n_enough = ctl_redis(d->ctl)->cluster ? UNREACHABLE_MAX : 1;

	for (size_t i = 0; i < all->len; i++) {
		struct targets *targets = &all->items[i].targets;

		for (size_t k = 0; k < targets->len && n_unreachable < n_enough; k++)
			n_unreachable += !open_and_look(d, &targets->items[k]);
	}
}

/* ---- consumers */

static struct target *first_open(struct patient *p)
{
	for (size_t i = 0; i < p->targets.len; i++) {
		if (p->targets.items[i].place.link)
			return &p->targets.items[i];
	}
	return NULL;
}

static void look_at_consumer(struct doctor *d, struct patient *p)
{
	struct progress progress;
	struct target *first = first_open(p);

	d->section = p->section;
	d->consumer = p->settings;
	d->targets = &p->targets;
	d->place = first ? &first->place : NULL;
	d->is_watched = d->is_twin = false;
	look(d, OF_CONSUMER);
	progress_begin(&progress, "streams", p->targets.len);
	for (size_t i = 0; i < p->targets.len; i++) {
		d->target = &p->targets.items[i];
		d->place = &d->target->place;
		if (d->place->link)
			look(d, OF_STREAM);
		progress_add(&progress, 1);
	}
	progress_end(&progress);
	d->target = NULL;
}

static void examine(struct doctor *d, struct patients *all)
{
	look_at_servers(d, all);
	if (ctl_config(d->ctl))
		service_find(d);
	for (size_t i = 0; i < all->len; i++)
		look_at_consumer(d, &all->items[i]);
	if (!d->ctl->config)
		return;
	d->section = "this machine";
	look(d, OF_MACHINE);
}

/* ---- who is looked at */

static enum ctl_exit add_patient(struct ctl *c, struct patients *all)
{
	struct patient p = { 0 };
	enum ctl_exit status = targets_find(c, &p.targets);
	const struct target *first = p.targets.items;

	if (status != CTL_DONE)
		return status;
	p.settings = first->settings;
	p.section = p.settings ? xasprintf("consumer %s", p.settings->name)
	                       : xasprintf("group %s of %s", first->group, first->stream);
	all->items = xreallocarray(all->items, all->len + 1, sizeof(*all->items));
	all->items[all->len++] = p;
	return CTL_DONE;
}

static enum ctl_exit find_all(struct ctl *c, struct patients *all)
{
	const struct config *config = ctl_config(c);
	enum ctl_exit status = config ? CTL_DONE : CTL_FAILED;

	for (size_t i = 0; config && i < config->n_consumers && status == CTL_DONE; i++) {
		c->args.name = config->consumers[i].name;
		status = add_patient(c, all);
	}
	return status;
}

static void patients_done(struct patients *all)
{
	for (size_t i = 0; i < all->len; i++) {
		targets_done(&all->items[i].targets);
		free(all->items[i].section);
	}
	free(all->items);
}

static enum ctl_exit find_patients(struct ctl *c, struct patients *all)
{
	if (c->args.name || args_has(&c->args, OPTION_GROUP))
		return add_patient(c, all);
	return find_all(c, all);
}

enum ctl_exit doctor_run(struct ctl *c)
{
	struct doctor d = { .ctl = c };
	struct patients all = { 0 };
	enum ctl_exit status = find_patients(c, &all);

	if (status == CTL_DONE && !ctl_link(c))
		status = CTL_FAILED;
	if (status == CTL_DONE) {
		examine(&d, &all);
		if (c->json)
			findings_print_json(&d.findings);
		else
			findings_print(&d.findings);
		status = d.findings.n[HEALTH_ERROR] ? CTL_FAILED : CTL_DONE;
	}
	findings_done(&d.findings);
	patients_done(&all);
	return status;
}
