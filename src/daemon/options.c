/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>

static const char help[] =
    "usage: sluiced [-c FILE] [--instance NAME] [--log-level LEVEL]\n"
    "       sluiced [-c FILE] --check | --print-config\n"
    "       sluiced --print-schema | --version | --help\n"
    "\n"
    "Hands the entries of Redis Streams to handler commands, acknowledges what they finish,\n"
    "retries what they don't, and dead-letters what cannot be handled. Runs in the foreground.\n"
    "\n"
    "  -c, --config FILE      configuration (default: /etc/sluiced/sluiced.yaml)\n"
    "      --instance NAME    instead of daemon.instance of the file\n"
    "      --log-level LEVEL  error, warning, notice, info or debug, instead of daemon.log.level\n"
    "      --check            load the file, check every handler, report every error and leave\n"
    "      --print-config     print the configuration in effect, defaults filled in\n"
    "      --print-schema     print a JSON Schema of the configuration file\n"
    "      --version          print the version\n"
    "  -h, --help             print this\n"
    "\n"
    "Exit status: 0 clean stop, 1 failure at run time, 2 usage, 78 configuration.\n"
    "Signals: TERM and INT drain (a second one hurries), HUP reloads the file, USR1 logs a summary "
    "of\n"
    "every consumer.\n";

enum { OPTION_INSTANCE = 256, OPTION_LOG_LEVEL, OPTION_TASK };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "instance", required_argument, NULL, OPTION_INSTANCE },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "check", no_argument, NULL, OPTION_TASK + TASK_CHECK },
	{ "print-config", no_argument, NULL, OPTION_TASK + TASK_PRINT_CONFIG },
	{ "print-schema", no_argument, NULL, OPTION_TASK + TASK_PRINT_SCHEMA },
	{ "version", no_argument, NULL, OPTION_TASK + TASK_VERSION },
	{ "help", no_argument, NULL, OPTION_TASK + TASK_HELP },
	{ 0 },
};

static int take(struct options *o, int option)
{
	switch (option) {
	case 'c':
		o->config_path = optarg;
		return 0;
	case 'h':
		o->task = TASK_HELP;
		return 0;
	case OPTION_INSTANCE:
		o->instance = optarg;
		return 0;
	case OPTION_LOG_LEVEL:
		o->has_log_level = true;
		if (log_level_parse(slice_of(optarg), &o->log_level) == 0)
			return 0;
		fprintf(stderr,
		    "sluiced: --log-level: expected error, warning, notice, info or debug, "
		    "got \"%s\"\n",
		    optarg);
		return -EINVAL;
	case '?':
		return -EINVAL;
	default:
		o->task = (enum task)(option - OPTION_TASK);
		return 0;
	}
}

int options_parse(int argc, char **argv, struct options *ret_options)
{
	struct options o = { .task = TASK_RUN, .config_path = "/etc/sluiced/sluiced.yaml" };
	int option;

	while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (take(&o, option)) {
			fputs("Try 'sluiced --help'.\n", stderr);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sluiced: unexpected argument \"%s\"\nTry 'sluiced --help'.\n",
		    argv[optind]);
		return -EINVAL;
	}
	*ret_options = o;
	return 0;
}

void options_print_help(FILE *to)
{
	fputs(help, to);
}
