/* SPDX-License-Identifier: MIT */
/*
 * Owns the configuration: reads a file into a tree, the tree through the option table into the
 * settings, works out the defaults that depend on other values, and has the whole checked. After
 * that nothing in it changes.
 */
#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "config/difference.h"
#include "config/section.h"
#include "config/validate.h"
#include "config/yamltree.h"
#include "core/deadletter.h"

static const struct diag_place nowhere = { 0, 0 };

/* Everything that lives as long as one load. */
struct loading {
	struct load load;
	struct config *config;
	const struct ynode *defaults;
	struct section redis, daemon;
	struct section *consumers;
};

/* ---- the default rules that look at other values or at the system */

/* systemd lists several directories separated by colons. */
static char *first_directory(const char *list)
{
	return list && *list == '/' ? xstrndup(list, strcspn(list, ":")) : NULL;
}

static char *base_runtime_dir(void)
{
	const char *user_dir = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return xstrdup("/run/sluiced");
	if (user_dir && *user_dir == '/')
		return xasprintf("%s/sluiced", user_dir);
	return xasprintf("/tmp/sluiced-%u", (unsigned)geteuid());
}

static char *default_runtime_dir(const char *instance)
{
	char *given = first_directory(getenv("RUNTIME_DIRECTORY")), *base, *dir;

	if (given)
		return given;
	base = base_runtime_dir();
	if (strcmp(instance, "default") == 0)
		return base;
	dir = xasprintf("%s/%s", base, instance);
	free(base);
	return dir;
}

static void listen_at_default(struct loading *l)
{
	struct daemon_settings *d = &l->config->daemon;
	char *path = xasprintf("%s/control.sock", d->runtime_dir);

	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		diag_error(l->load.diag, section_place(&l->daemon, "runtime_dir"),
		    "daemon.runtime_dir: expected a path of at most %zu bytes, got \"%s\"",
		    sizeof(((struct sockaddr_un *)0)->sun_path) - 1 - strlen("/control.sock"),
		    d->runtime_dir);
	string_list_add(&d->listen, xasprintf("unix:%s", path));
	free(path);
}

static void override_instance(struct loading *l, const char *instance)
{
	struct daemon_settings *d = &l->config->daemon;

	if (!instance)
		return;
	if (!value_is_word(instance))
		diag_error(l->load.diag, nowhere,
		    "--instance: expected one word of letters, digits and _.-, got \"%s\"",
		    instance);
	free(d->instance);
	d->instance = xstrdup(instance);
}

static void finish_daemon(struct loading *l, const char *instance)
{
	struct daemon_settings *d = &l->config->daemon;

	override_instance(l, instance);
	l->load.instance = d->instance ? d->instance : "default";
	if (!d->runtime_dir)
		d->runtime_dir = default_runtime_dir(l->load.instance);
	if (!section_pair(&l->daemon, "listen"))
		listen_at_default(l);
}

static void take_user(struct loading *l)
{
	struct redis_settings *r = &l->config->redis;

	if (!r->url.user)
		return;
	if (!text_is_utf8(slice_of(r->url.user)))
		diag_error(l->load.diag, section_place(&l->redis, "url"),
		    "redis.url: expected a user in UTF-8");
	if (r->secret.username)
		diag_error(l->load.diag, section_place(&l->redis, "username"),
		    "redis.username: expected one user, got another one in redis.url");
	free(r->secret.username);
	r->secret.username = r->url.user;
	r->url.user = NULL;
}

static void take_password(struct loading *l)
{
	struct redis_settings *r = &l->config->redis;
	struct diag_place at = section_place(&l->redis, "url");

	if (!r->url.password)
		return;
	if (r->secret.password || r->secret.password_file || r->secret.password_credential) {
		diag_error(l->load.diag, at,
		    "redis.url: expected one password, got another one beside the URL");
		return;
	}
	diag_warning(l->load.diag, at,
	    "redis.url: holds a password; redis.password_file keeps it out of this file");
	r->secret.password = r->url.password;
	r->url.password = NULL;
}

static void finish_consumer(const struct loading *l, const struct section *s)
{
	struct consumer_settings *c = s->dest;

	if (!section_pair(s, "claim.interval"))
		c->claim.interval_ms = c->claim.min_idle_ms / 4;
	c->handler.files_stamp = files_stamp(&c->handler);
	c->dead_letter.same_slot = l->config->redis.cluster;
	if (!c->dead_letter.stream && c->streams.len == 1)
		c->dead_letter.stream = deadletter_stream(&c->dead_letter, c->streams.items[0]);
}

/* ---- sections */

/* Sentinels have a switch of their own: many of them listen without TLS where Redis does with it.
 */
static bool sentinel_uses_tls(const struct section *redis)
{
	static const char prefix[] = "sentinel.tls.";

	for (size_t i = 0; i < n_options; i++) {
		const char *path = options[i].path;

		if (options[i].scope == SCOPE_REDIS &&
		    strncmp(path, prefix, sizeof(prefix) - 1) == 0 && section_pair(redis, path))
			return true;
	}
	return false;
}

static const struct ypair *root_pair(const struct ynode *root, const char *key)
{
	return ynode_pair(root, slice_of(key));
}

static struct section make_section(const struct ynode *root, enum option_scope scope,
    const char *key, void *dest)
{
	const struct ypair *pair = root_pair(root, key);
	struct section s = { .scope = scope, .path = xstrdup(key), .dest = dest };

	if (pair) {
		s.at = pair->key->at;
		s.own = pair->value;
	}
	return s;
}

static void read_redis(struct loading *l, const struct ynode *root)
{
	l->redis = make_section(root, SCOPE_REDIS, "redis", &l->config->redis);
	section_check_keys(&l->load, &l->redis);
	section_read(&l->load, &l->redis);
	take_user(l);
	take_password(l);
	l->config->redis.sentinel.use_tls = sentinel_uses_tls(&l->redis);
}

static void read_daemon(struct loading *l, const struct ynode *root, const char *instance)
{
	l->daemon = make_section(root, SCOPE_DAEMON, "daemon", &l->config->daemon);
	section_check_keys(&l->load, &l->daemon);
	section_read(&l->load, &l->daemon);
	finish_daemon(l, instance);
}

/* Read once for its own sake, so that what is wrong in it is told once. */
static void read_defaults(struct loading *l, const struct ynode *root)
{
	struct consumer_settings unused = { 0 };
	struct section s = make_section(root, SCOPE_CONSUMER, "defaults", &unused);

	l->load.consumer = "NAME";
	section_check_keys(&l->load, &s);
	section_read(&l->load, &s);
	section_done(SCOPE_CONSUMER, &unused);
	l->defaults = s.own;
	free(s.path);
}

static void check_consumer_name(struct loading *l, const struct ynode *key)
{
	struct buf name = { 0 };

	if (value_is_word(key->text))
		return;
	ynode_append_quoted(&name, key->text);
	buf_append_char(&name, '\0');
	diag_error(l->load.diag, key->at,
	    "consumers: expected a name of letters, digits and _.-, got %s", buf_data(&name));
	buf_done(&name);
}

static void read_consumer(struct loading *l, const struct ypair *pair)
{
	size_t i = l->config->n_consumers++;
	struct consumer_settings *c = &l->config->consumers[i];
	struct section *s = &l->consumers[i];
	struct buf path = { 0 };

	check_consumer_name(l, pair->key);
	buf_append_text(&path, "consumers.");
	ynode_append_shown(&path, pair->key->text);
	*s = (struct section){
		.scope = SCOPE_CONSUMER,
		.path = buf_take_text(&path),
		.at = pair->key->at,
		.own = pair->value,
		.defaults = l->defaults,
		.dest = c,
	};
	c->name = xstrdup(pair->key->text);
	l->load.consumer = c->name;
	section_check_keys(&l->load, s);
	section_read(&l->load, s);
	finish_consumer(l, s);
}

static void warn_of_ignored(struct loading *l, const struct ynode *key)
{
	struct buf name = { 0 };

	ynode_append_quoted(&name, key->text);
	buf_append_char(&name, '\0');
	diag_warning(l->load.diag, key->at,
	    "consumers: %s is no consumer: keys that begin with x- are ignored", buf_data(&name));
	buf_done(&name);
}

static void read_consumers(struct loading *l, const struct ynode *map)
{
	l->config->consumers = xcalloc(map->len, sizeof(*l->config->consumers));
	l->consumers = xcalloc(map->len, sizeof(*l->consumers));
	for (size_t i = 0; i < map->len; i++) {
		if (is_ignored_key(map->pairs[i].key->text))
			warn_of_ignored(l, map->pairs[i].key);
		else
			read_consumer(l, &map->pairs[i]);
	}
}

static void find_consumers(struct loading *l, const struct ynode *root)
{
	const struct ypair *pair = root_pair(root, "consumers");
	struct value v = { .load = &l->load, .path = "consumers" };

	if (!pair)
		diag_error(l->load.diag, root->at, "consumers: expected at least one, got none");
	else if (pair->value->kind != YNODE_MAP)
		value_expected(&v, pair->value, "a mapping of names to consumers");
	else if (pair->value->len)
		read_consumers(l, pair->value);
	if (pair && pair->value->kind == YNODE_MAP && !l->config->n_consumers)
		diag_error(l->load.diag, pair->value->at,
		    "consumers: expected at least one, got none");
}

static void check_root_keys(struct loading *l, const struct ynode *root)
{
	static char redis[] = "redis", daemon[] = "daemon", defaults[] = "defaults",
	            consumers[] = "consumers";
	char *names[] = { redis, daemon, defaults, consumers };
	struct string_list known = { names, ARRAY_LEN(names) };

	for (size_t i = 0; i < root->len; i++) {
		const struct ynode *key = root->pairs[i].key;
		size_t k = 0;

		while (k < known.len && strcmp(names[k], key->text) != 0)
			k++;
		if (k == known.len && !is_ignored_key(key->text))
			report_unknown_key(&l->load, "", key, &known, NULL);
	}
}

static void read_root(struct loading *l, const struct ynode *root, const char *instance)
{
	if (root->kind != YNODE_MAP) {
		diag_error(l->load.diag, root->at,
		    "expected a mapping with redis, daemon, defaults and consumers, got %s",
		    root->kind == YNODE_LIST ? "a list" : "text");
		return;
	}
	check_root_keys(l, root);
	read_redis(l, root);
	read_daemon(l, root, instance);
	read_defaults(l, root);
	find_consumers(l, root);
	validate(&(struct loaded){
	    .config = l->config,
	    .redis = &l->redis,
	    .daemon = &l->daemon,
	    .consumers = l->consumers,
	    .diag = l->load.diag,
	});
}

/* ---- a whole load */

/* Absolute, so that a daemon which leaves its directory still finds what the file names. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	char *absolute = realpath(directory, NULL);

	if (!absolute)
		return directory;
	free(directory);
	if (strcmp(absolute, "/") == 0)
		*absolute = '\0';
	return absolute;
}

static void loading_done(struct loading *l)
{
	assert(l->consumers || !l->config->n_consumers);
	for (size_t i = 0; i < l->config->n_consumers; i++)
		free(l->consumers[i].path);
	free(l->consumers);
	free(l->redis.path);
	free(l->daemon.path);
	free(l->load.directory);
}

int config_load_text(const struct config_source *from, struct slice text, struct diag *diag,
    struct config **ret_config)
{
	struct loading l = {
		.load = { .diag = diag, .directory = directory_of(from->path), .use = from->use },
	};
	size_t n_errors = diag->n_errors;
	struct yamltree tree;
	int err;

	l.config = config_keep(xcalloc(1, sizeof(*l.config)));
	err = yamltree_parse(text, diag, &tree);
	if (tree.root)
		read_root(&l, tree.root, from->instance);
	loading_done(&l);
	yamltree_done(&tree);
	diag_sort(diag);
	if (err || diag->n_errors > n_errors) {
		config_free(l.config);
		return -EINVAL;
	}
	*ret_config = l.config;
	return 0;
}

/* One byte more than is allowed tells a file that is too large. */
static int read_file(const char *path, struct buf *to)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && buf_len(to) <= YAMLTREE_MAX_BYTES) {
		n = read(fd, buf_reserve(to, 65536), 65536);
		if (n > 0)
			buf_added(to, (size_t)n);
		else if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			err = -errno;
	}
	close(fd);
	return err;
}

int config_load(const struct config_source *from, struct diag *diag, struct config **ret_config)
{
	struct buf text = { 0 };
	int err = read_file(from->path, &text);

	if (err)
		diag_error(diag, nowhere, "cannot be read: %s", strerror(-err));
	else
		err = config_load_text(from, buf_slice(&text), diag, ret_config);
	if (buf_len(&text))
		explicit_bzero(buf_data(&text), buf_len(&text));
	buf_done(&text);
	return err;
}

struct config *config_keep(struct config *c)
{
	c->n_users++;
	return c;
}

void config_free(struct config *c)
{
	if (!c || --c->n_users)
		return;
	section_done(SCOPE_REDIS, &c->redis);
	section_done(SCOPE_DAEMON, &c->daemon);
	for (size_t i = 0; i < c->n_consumers; i++) {
		free(c->consumers[i].name);
		section_done(SCOPE_CONSUMER, &c->consumers[i]);
	}
	free(c->consumers);
	free(c);
}
