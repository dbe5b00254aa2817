/* SPDX-License-Identifier: MIT */
/*
 * Everything that can fail comes first: the file is loaded and checked whole. What follows cannot
 * fail, it only takes its time: consumers drain, handlers are replaced.
 */
#include "daemon/reload.h"

#include <errno.h>
#include <string.h>

#include "config/difference.h"

int reload_prepare(const char *path, const struct config *running, struct diag *diag,
    struct config **ret_config)
{
	struct config_source from = { .path = path, .instance = running->daemon.instance };
	struct config *config;
	const char *key;
	int r = config_load(&from, diag, &config);

	if (r)
		return r;
	key = unchangeable_difference(&running->daemon, &config->daemon);
	if (!key) {
		*ret_config = config;
		return 0;
	}
	diag_error(diag, (struct diag_place){ 0 }, "daemon.%s: takes a restart to change", key);
	config_free(config);
	return -EINVAL;
}

static const struct consumer_settings *settings_named(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_consumers; i++) {
		if (strcmp(config->consumers[i].name, name) == 0)
			return &config->consumers[i];
	}
	return NULL;
}

/* What becomes of a consumer that is there; those that must be another one leave, and are added
 * anew. */
static void look_after(struct member *m, struct site *site, struct config *config,
    struct reload_counts *counts)
{
	const struct consumer_settings *now = settings_named(config, m->settings->name);
	enum consumer_difference difference =
	    now ? consumer_difference(m->settings, now) : CONSUMER_IDENTITY;

	if (!now)
		counts->removed++;
	if (difference == CONSUMER_IDENTITY || m->site != site) {
		roster_dismiss(m, config->daemon.drain_timeout_ms);
		return;
	}
	if (difference == CONSUMER_SAME) {
		counts->same++;
		if (m->consumer)
			consumer_reloaded(m->consumer);
		return;
	}
	counts->changed++;
	roster_change(m, config, now);
}

static struct site *site_for(struct roster *r, const struct site_spec *spec, struct config *config)
{
	struct site *site = roster_site(r);

	if (!is_same_connection(&site->config->redis, &config->redis)) {
		site = site_new(spec, config);
		roster_add_site(r, site);
		site_open(site);
	}
	site->host.max_held_bytes = config->daemon.max_in_flight_bytes;
	return site;
}

static bool was_there(const struct roster *r, const char *name)
{
	list_foreach(&r->members, node) {
		if (strcmp(container_of(node, struct member, node)->settings->name, name) == 0)
			return true;
	}
	return false;
}

struct reload_counts reload_apply(struct roster *r, const struct site_spec *spec,
    struct config *config)
{
	struct site *site = site_for(r, spec, config);
	struct reload_counts counts = { 0 };

	list_foreach(&r->members, node) {
		struct member *m = container_of(node, struct member, node);

		if (m->state != MEMBER_LEAVING)
			look_after(m, site, config, &counts);
	}
	for (size_t i = 0; i < config->n_consumers; i++) {
		const struct consumer_settings *s = &config->consumers[i];

		if (roster_find(r, s->name))
			continue;
		*(was_there(r, s->name) ? &counts.replaced : &counts.added) += 1;
		roster_add(r, site, config, s);
	}
	return counts;
}
