/* SPDX-License-Identifier: MIT */
#include "ctl/ctl.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

static const char default_path[] = "/etc/sluiced/sluiced.yaml";

void complain(const char *format, ...)
{
	struct buf line = { 0 };
	char *text;
	va_list args;

	va_start(args, format);
	text = xvasprintf(format, args);
	va_end(args);
	text_append_printable(&line, slice_of(text));
	fflush(stdout); /* what was found before comes before */
	fprintf(stderr, "sluicectl: %.*s\n", (int)buf_len(&line), buf_data(&line));
	buf_done(&line);
	free(text);
}

/* ---- the configuration */

/* sluiced@NAME.service reads /etc/sluiced/NAME.yaml. */
static char *path_of_instance(const char *instance)
{
	char *path = instance ? xasprintf("/etc/sluiced/%s.yaml", instance) : NULL;

	if (path && access(path, F_OK) == 0)
		return path;
	free(path);
	return NULL;
}

const char *ctl_config_path(struct ctl *c)
{
	const char *given = args_text(&c->args, OPTION_CONFIG);

	if (given)
		return given;
	if (!c->path)
		c->path = path_of_instance(args_text(&c->args, OPTION_INSTANCE));
	return c->path ? c->path : default_path;
}

/* password_credential is for the service; root may read the same file where systemd has put it. */
static void find_credentials(const struct ctl *c)
{
	const char *instance = args_text(&c->args, OPTION_INSTANCE);
	char *directory;

	if (getenv("CREDENTIALS_DIRECTORY"))
		return;
	directory = instance ? xasprintf("/run/credentials/sluiced@%s.service", instance)
	                     : xstrdup("/run/credentials/sluiced.service");
	if (access(directory, X_OK) == 0)
		setenv("CREDENTIALS_DIRECTORY", directory, 1);
	free(directory);
}

static void print_errors(const struct diag *diag)
{
	for (size_t i = 0; i < diag->n_messages; i++) {
		char *text = diag_format(diag, &diag->messages[i]);

		if (!diag->messages[i].warning)
			complain("%s", text);
		free(text);
	}
}

const struct config *ctl_config(struct ctl *c)
{
	struct config_source from = {
		.path = ctl_config_path(c),
		.instance = args_text(&c->args, OPTION_INSTANCE),
		.use = CONFIG_TO_LOOK_AT,
	};
	struct diag diag;

	if (c->config)
		return c->config;
	find_credentials(c);
	diag_init(&diag, from.path);
	if (config_load(&from, &diag, &c->config)) {
		print_errors(&diag);
		c->config = NULL;
	}
	diag_done(&diag);
	return c->config;
}

/* ---- Redis */

/* A minimal configuration gives every setting of the connection its default. */
static int load_url(struct ctl *c, const char *url)
{
	struct config_source from = { .path = "--url", .use = CONFIG_TO_LOOK_AT };
	struct buf text = { 0 };
	struct diag diag;
	int r;

	buf_append_text(&text, "redis: { url: ");
	json_append_lossy(&text, slice_of(url));
	buf_append_text(&text, " }\nconsumers: { none: { stream: s, group: g, handler: { command: "
	                       "[/bin/true] } } }\n");
	diag_init(&diag, from.path);
	r = config_load_text(&from, buf_slice(&text), &diag, &c->by_url);
	if (r)
		print_errors(&diag);
	diag_done(&diag);
	buf_done(&text);
	return r;
}

const struct consumer_settings *ctl_default_consumer(struct ctl *c)
{
	const char *url = args_text(&c->args, OPTION_URL);

	if (!c->by_url && load_url(c, url ? url : "redis://localhost"))
		return NULL;
	return &c->by_url->consumers[0];
}

const struct redis_settings *ctl_redis(struct ctl *c)
{
	const char *url = args_text(&c->args, OPTION_URL);

	if (!url)
		return ctl_config(c) ? &c->config->redis : NULL;
	if (!c->by_url && load_url(c, url))
		return NULL;
	return &c->by_url->redis;
}

void ctl_keep_log_quiet(void)
{
	log_setup(&(struct log_settings){
	    .level = LEVEL_ERROR,
	    .format = LOG_FORMAT_TEXT,
	    .instance = "sluicectl",
	    .fd = open("/dev/null", O_WRONLY | O_CLOEXEC),
	});
}

struct link *ctl_link(struct ctl *c)
{
	const struct redis_settings *settings;

	if (c->link)
		return c->link;
	settings = ctl_redis(c);
	if (!settings)
		return NULL;
	ctl_keep_log_quiet();
	c->link = link_new(settings);
	return c->link;
}

void ctl_done(struct ctl *c)
{
	link_free(c->link);
	config_free(c->by_url);
	config_free(c->config);
	free(c->path);
}
