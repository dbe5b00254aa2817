/* SPDX-License-Identifier: MIT */
#include "ctl/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/deadletter.h"

/* With --stream and --group; nothing of them need be in a file. */
static enum ctl_exit find_by_group(struct ctl *c, struct targets *t)
{
	const struct redis_settings *redis = ctl_redis(c);
	struct target *target;

	if (!redis)
		return CTL_FAILED;
	target = t->items = xcalloc(1, sizeof(*target));
	t->len = 1;
	target->stream = args_text(&c->args, OPTION_STREAM);
	target->group = args_text(&c->args, OPTION_GROUP);
	target->consumer = args_text(&c->args, OPTION_CONSUMER);
	target->dead_letters =
	    deadletter_stream(&(struct dead_letter_settings){ .same_slot = redis->cluster },
	        target->stream);
	return CTL_DONE;
}

static const struct consumer_settings *settings_named(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_consumers; i++) {
		if (strcmp(config->consumers[i].name, name) == 0)
			return &config->consumers[i];
	}
	return NULL;
}

static void add_streams(const struct consumer_settings *s, const char *only, struct targets *t)
{
	t->items = xcalloc(s->streams.len, sizeof(*t->items));
	for (size_t i = 0; i < s->streams.len; i++) {
		const char *stream = s->streams.items[i];

		if (only && strcmp(only, stream) != 0)
			continue;
		t->items[t->len++] = (struct target){
			.settings = s,
			.stream = stream,
			.group = s->group,
			.consumer = s->consumer,
			.dead_letters = deadletter_stream(&s->dead_letter, stream),
		};
	}
}

static enum ctl_exit find_by_name(struct ctl *c, const char *name, struct targets *t)
{
	const char *only = args_text(&c->args, OPTION_STREAM);
	const struct config *config = ctl_config(c);
	const struct consumer_settings *s;

	if (!config)
		return CTL_FAILED;
	s = settings_named(config, name);
	if (!s) {
		complain("there is no consumer \"%s\" in %s", name, ctl_config_path(c));
		return CTL_MISSING;
	}
	add_streams(s, only, t);
	if (t->len)
		return CTL_DONE;
	complain("%s does not read the stream \"%s\"", name, only);
	return CTL_MISSING;
}

enum ctl_exit targets_find(struct ctl *c, struct targets *ret_targets)
{
	struct targets t = { 0 };
	enum ctl_exit status;

	if (c->args.name && args_has(&c->args, OPTION_URL)) {
		complain("with --url the stream and the group are named by --stream and --group");
		return CTL_USAGE;
	}
	status = c->args.name ? find_by_name(c, c->args.name, &t) : find_by_group(c, &t);
	if (status == CTL_DONE)
		*ret_targets = t;
	else
		targets_done(&t);
	return status;
}

enum ctl_exit target_open_one(struct ctl *c, struct targets *ret_targets)
{
	struct targets t;
	enum ctl_exit status = targets_find(c, &t);

	if (status != CTL_DONE)
		return status;
	if (t.len > 1) {
		complain("%s reads %zu streams: choose one with --stream", c->args.name, t.len);
		status = CTL_USAGE;
	} else {
		status = target_open(c, &t.items[0]);
	}
	if (status == CTL_DONE)
		*ret_targets = t;
	else
		targets_done(&t);
	return status;
}

enum ctl_exit target_open(struct ctl *c, struct target *t)
{
	struct link *link = ctl_link(c);

	if (!link)
		return CTL_FAILED;
	if (t->place.link)
		return CTL_DONE;
	return place_open(link, t->stream, &t->place) ? CTL_FAILED : CTL_DONE;
}

const char *target_receiver(const struct ctl *c, const struct target *t)
{
	const char *name = args_text(&c->args, OPTION_CONSUMER);

	return name ? name : t->consumer;
}

enum ctl_exit target_ask(struct target *t, const struct reply **ret_answer)
{
	const struct reply *r = ask(&t->place);

	if (r && !reply_is_error(r)) {
		*ret_answer = r;
		return CTL_DONE;
	}
	if (!r)
		return CTL_FAILED;
	if (redis_error_class(r->text) == REDIS_NOGROUP) {
		complain("the stream %s has no group %s", t->stream, t->group);
		return CTL_MISSING;
	}
	place_complain(&t->place, r);
	return CTL_FAILED;
}

void targets_done(struct targets *t)
{
	for (size_t i = 0; i < t->len; i++) {
		place_close(&t->items[i].place);
		free(t->items[i].dead_letters);
	}
	free(t->items);
	*t = (struct targets){ 0 };
}
