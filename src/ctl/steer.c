/* SPDX-License-Identifier: MIT */
#include "ctl/steer.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "ctl/confirm.h"
#include "ctl/daemonask.h"
#include "ctl/jsonget.h"
#include "ctl/output.h"

static void print_answer(const struct daemonlink *l)
{
	struct slice body = buf_slice(&daemonlink_answer(l)->body);

	fwrite(body.data, 1, body.len, stdout);
}

/* Who reads JSON reads the refusal as well. */
static enum ctl_exit post(const struct ctl *c, struct daemonlink *l, const char *path)
{
	enum ctl_exit status = daemon_ask(l, "POST", path);

	if (c->json && daemonlink_answer(l)->status)
		print_answer(l);
	return status;
}

/* ---- a consumer */

struct action {
	const char *word, *argument; /* of the request */
	char *will, *was;            /* sentences */
};

/* Nothing is said of what is not there. */
static enum ctl_exit look_for_consumer(const struct ctl *c, struct daemonlink *l)
{
	json_t *document;
	enum ctl_exit status = daemon_ask_json(l, "GET", "/v1/status", &document);

	if (status != CTL_DONE)
		return status;
	if (!daemon_consumer(document, c->args.name)) {
		complain("the daemon has no consumer \"%s\"", c->args.name);
		status = CTL_MISSING;
	}
	json_decref(document);
	return status;
}

static enum ctl_exit act(const struct ctl *c, struct daemonlink *l, const struct action *a)
{
	char *base = daemon_consumer_path(c->args.name, a->word);
	char *path = xasprintf("%s%s", base, a->argument);
	enum ctl_exit status = post(c, l, path);

	if (status == CTL_DONE && !c->json)
		puts(a->was);
	free(base);
	free(path);
	return status;
}

static enum ctl_exit ask_and_act(const struct ctl *c, struct daemonlink *l, const struct action *a)
{
	enum ctl_exit status = look_for_consumer(c, l);

	if (status != CTL_DONE)
		return status;
	switch (confirm(c, "%s", a->will)) {
	case CONSENT_DRY:
		return CTL_DONE;
	case CONSENT_NO:
		return CTL_FAILED;
	case CONSENT_GO:
		break;
	}
	return act(c, l, a);
}

static enum ctl_exit on_consumer(struct ctl *c, const struct action *a)
{
	struct daemonlink *l = daemon_find(c);
	enum ctl_exit status = l ? ask_and_act(c, l, a) : CTL_FAILED;

	daemonlink_free(l);
	free(a->will);
	free(a->was);
	return status;
}

enum ctl_exit pause_run(struct ctl *c)
{
	const char *name = c->args.name;
	struct action a = {
		.word = "pause",
		.argument = "",
		.will = xasprintf("%s will be paused: it reads and starts nothing, what waits is "
		                  "given back, what runs finishes.",
		    name),
		.was = xasprintf("%s is paused; 'sluicectl resume %s' ends it.", name, name),
	};

	return on_consumer(c, &a);
}

enum ctl_exit resume_run(struct ctl *c)
{
	struct action a = {
		.word = "resume",
		.argument = "",
		.will = xasprintf("%s will go on.", c->args.name),
		.was = xasprintf("%s goes on.", c->args.name),
	};

	return on_consumer(c, &a);
}

enum ctl_exit concurrency_run(struct ctl *c)
{
	const char *name = c->args.name, *text = c->args.words[0];
	struct action a = { .word = "concurrency" };
	char *argument;
	enum ctl_exit status;
	uint64_t n;

	if (parse_u64(slice_of(text), &n) || !n) {
		complain("N: expected a number from 1 to 10000, got \"%s\"", text);
		return CTL_USAGE;
	}
	argument = xasprintf("?n=%s", text);
	a.argument = argument;
	a.will = xasprintf("%s will have a concurrency of %s.", name, text);
	a.was = xasprintf("%s has a concurrency of %s until the next reload; to keep it, set "
	                  "handler.concurrency.",
	    name, text);
	status = on_consumer(c, &a);
	free(argument);
	return status;
}

/* ---- the daemon */

static void tell_reloaded(const struct daemonlink *l)
{
	json_t *document = daemon_document(daemonlink_answer(l));
	const json_t *warning;
	size_t i;

	json_array_foreach(json_object_get(document, "warnings"), i, warning)
	{
		fprintf(stderr, "%s\n", json_string_value(warning));
	}
	json_decref(document);
	puts("The configuration is loaded; what changes is in the log, event reloaded.");
}

static void tell_state(const struct daemonlink *l)
{
	json_t *document = daemon_document(daemonlink_answer(l));

	printf("The daemon is %s.\n", get_text(document, "state"));
	json_decref(document);
}

struct order {
	const char *path, *will;
	void (*tell)(const struct daemonlink *l); /* what it said to that */
};

static enum ctl_exit give(const struct ctl *c, struct daemonlink *l, const struct order *o)
{
	enum ctl_exit status;

	switch (confirm(c, "The daemon at %s will %s.", daemonlink_path(l), o->will)) {
	case CONSENT_DRY:
		return daemon_ask(l, "GET", "/healthz");
	case CONSENT_NO:
		return CTL_FAILED;
	case CONSENT_GO:
		break;
	}
	status = post(c, l, o->path);
	if (status == CTL_DONE && !c->json)
		o->tell(l);
	return status;
}

static enum ctl_exit reload(const struct ctl *c, struct daemonlink *l)
{
	return give(c, l,
	    &(struct order){ "/v1/reload", "load its configuration again", tell_reloaded });
}

static enum ctl_exit drain(const struct ctl *c, struct daemonlink *l)
{
	return give(c, l,
	    &(struct order){ "/v1/drain", "read nothing more, finish its runs, and end",
	        tell_state });
}

static enum ctl_exit metrics(const struct ctl *c, struct daemonlink *l)
{
	enum ctl_exit status = daemon_ask(l, "GET", "/metrics");

	(void)c;
	if (status == CTL_DONE)
		print_answer(l);
	return status;
}

static enum ctl_exit with_daemon(struct ctl *c,
    enum ctl_exit (*run)(const struct ctl *c, struct daemonlink *l))
{
	struct daemonlink *l = daemon_find(c);
	enum ctl_exit status = l ? run(c, l) : CTL_FAILED;

	daemonlink_free(l);
	return status;
}

enum ctl_exit reload_run(struct ctl *c)
{
	return with_daemon(c, reload);
}

enum ctl_exit drain_run(struct ctl *c)
{
	return with_daemon(c, drain);
}

enum ctl_exit metrics_run(struct ctl *c)
{
	if (c->json) {
		complain("metrics are text; 'sluicectl status --json' has the figures as JSON");
		return CTL_USAGE;
	}
	return with_daemon(c, metrics);
}
