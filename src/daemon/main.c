/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/log.h"
#include "config/config.h"
#include "control/http.h"
#include "daemon/daemon.h"
#include "daemon/options.h"
#include "loop/loop.h"
#include "redis/decoder.h"
#include "redis/tls.h"

/* A descriptor that we open must not land on 0, 1 or 2 because our starter had closed them. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* What the command line says holds, whatever a reload brings. */
static struct options options;

static void use_log_settings(const struct config *config)
{
	const struct options *o = &options;

	log_setup(&(struct log_settings){
	    .level = o->has_log_level ? o->log_level : (enum log_level)config->daemon.log_level,
	    .format = (enum log_format)config->daemon.log_format,
	    .instance = config->daemon.instance,
	    .fd = STDERR_FILENO,
	});
}

static void log_warnings(const struct diag *diag)
{
	for (size_t i = 0; i < diag->n_messages; i++) {
		char *text = diag_format(diag, &diag->messages[i]);

		log_event(LEVEL_WARNING, EVENT_CONFIG_WARNING, NULL, "%s", text);
		free(text);
	}
}

static int run(struct config *config, const struct diag *diag)
{
	use_log_settings(config);
	log_warnings(diag);
	return daemon_run(&(struct daemon_spec){
	    .config_path = options.config_path,
	    .config = config,
	    .use_log_settings = use_log_settings,
	});
}

/* What comes before the loop watches for it waits until then: a reload that is asked for while the
 * file is still being loaded must not end the daemon. */
static void hold_signals(void)
{
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGHUP);
	sigaddset(&held, SIGUSR1);
	sigprocmask(SIG_BLOCK, &held, NULL);
}

static int with_config(const struct options *o)
{
	struct config_source from = { .path = o->config_path, .instance = o->instance };
	struct config *config;
	struct diag diag;
	int status = EXIT_CLEAN;

	if (o->task == TASK_RUN)
		hold_signals();
	diag_init(&diag, o->config_path);
	if (config_load(&from, &diag, &config)) {
		diag_print(&diag, stderr);
		diag_done(&diag);
		return EXIT_CONFIGURATION;
	}
	if (o->task != TASK_RUN)
		diag_print(&diag, stderr);
	if (o->task == TASK_PRINT_CONFIG)
		config_print(config, stdout);
	else if (o->task == TASK_CHECK)
		printf("%s: no errors\n", o->config_path);
	else
		status = run(config, &diag);
	config_free(config);
	diag_done(&diag);
	return status;
}

static void print_version(void)
{
	const char *tls = tls_library();

	printf("sluiced " SLUICED_VERSION " (%s, libev %d.%d, %s, %s%s)\n", decoder_library(),
	    ev_version_major(), ev_version_minor(), http_library(), tls ? "TLS by " : "without TLS",
	    tls ? tls : "");
}

int main(int argc, char **argv)
{
	struct options *o = &options;

	open_standard_descriptors();
	if (options_parse(argc, argv, o))
		return EXIT_USAGE;
	switch (o->task) {
	case TASK_HELP:
		options_print_help(stdout);
		return EXIT_CLEAN;
	case TASK_VERSION:
		print_version();
		return EXIT_CLEAN;
	case TASK_PRINT_SCHEMA:
		config_print_schema(stdout);
		return EXIT_CLEAN;
	case TASK_RUN:
	case TASK_CHECK:
	case TASK_PRINT_CONFIG:
		break;
	}
	return with_config(o);
}
