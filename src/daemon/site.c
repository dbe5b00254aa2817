/* SPDX-License-Identifier: MIT */
#include "daemon/site.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "redis/sentinel.h"
#include "redis/tls.h"

static void make_redis_host(struct site *s, const struct site_spec *spec)
{
	const struct redis_settings *settings = &s->config->redis;

	s->redis = (struct redis_host){
		.loop = spec->loop,
		.resolver = spec->resolver,
		.settings = settings,
		.dice = clock_wall_ms() ^ (uint64_t)getpid() << 32,
	};
	if (settings->sentinel.master)
		s->redis.sentinels = sentinels_new(spec->loop, spec->resolver, settings);
}

static void make_consumer_host(struct site *s, const struct site_spec *spec)
{
	s->host = (struct consumer_host){
		.loop = spec->loop,
		.redis = &s->redis,
		.keyspace = s->keyspace,
		.handlers = spec->handlers,
		.instance = spec->instance,
		.hostname = spec->hostname,
		.max_held_bytes = s->config->daemon.max_in_flight_bytes,
		.rng = { s->redis.dice },
		.owner = spec->owner,
		.on_runs_over = spec->on_runs_over,
		.on_drained = spec->on_drained,
	};
	list_init(&s->host.at_bytes);
}

struct site *site_new(const struct site_spec *spec, struct config *config)
{
	struct site *s = xcalloc(1, sizeof(*s));
	char *client_name = xasprintf("sluiced.%s", spec->instance);

	s->config = config_keep(config);
	make_redis_host(s, spec);
	s->keyspace = keyspace_new(&s->redis, client_name);
	make_consumer_host(s, spec);
	free(client_name);
	return s;
}

void site_open(struct site *s)
{
	if (s->redis.sentinels)
		sentinels_open(s->redis.sentinels);
	keyspace_open(s->keyspace);
}

void site_close(struct site *s)
{
	keyspace_close(s->keyspace);
}

void site_free(struct site *s)
{
	keyspace_free(s->keyspace);
	sentinels_free(s->redis.sentinels);
	redis_host_done(&s->redis);
	config_free(s->config);
	free(s);
}
