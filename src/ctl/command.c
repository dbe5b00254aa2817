/* SPDX-License-Identifier: MIT */
#include "ctl/command.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "ctl/add.h"
#include "ctl/claim.h"
#include "ctl/consumers.h"
#include "ctl/dead.h"
#include "ctl/doctor.h"
#include "ctl/info.h"
#include "ctl/pending.h"
#include "ctl/redrive.h"
#include "ctl/release.h"
#include "ctl/replay.h"
#include "ctl/show.h"
#include "ctl/status.h"
#include "ctl/steer.h"
#include "ctl/tail.h"
#include "ctl/top.h"
#include "ctl/trim.h"

const struct command commands[] = {
	{ "status", "[NAME]", "what the daemon tells of its consumers, or of one in detail",
	    .options = OPTIONS_OF_DAEMON, .n_words_max = 1, .run = status_run },
	{ "top", "", "the consumers, live", .options = OPTIONS_OF_DAEMON, .run = top_run },
	{ "pause", "NAME", "the daemon reads and starts nothing more for a consumer",
	    .options = OPTIONS_OF_DAEMON | OPTIONS_OF_CHANGE, .n_words_min = 1, .n_words_max = 1,
	    .run = pause_run },
	{ "resume", "NAME", "and goes on", .options = OPTIONS_OF_DAEMON | OPTIONS_OF_CHANGE,
	    .n_words_min = 1, .n_words_max = 1, .run = resume_run },
	{ "concurrency", "NAME N", "another number of handlers, until the next reload",
	    .options = OPTIONS_OF_DAEMON | OPTIONS_OF_CHANGE, .n_words_min = 2, .n_words_max = 2,
	    .run = concurrency_run },
	{ "reload", "", "load the configuration again; a refusal is told, and a failure",
	    .options = OPTIONS_OF_DAEMON | OPTIONS_OF_CHANGE, .run = reload_run },
	{ "drain", "", "finish what runs, then end the daemon",
	    .options = OPTIONS_OF_DAEMON | OPTIONS_OF_CHANGE, .run = drain_run },
	{ "metrics", "", "all figures, as Prometheus reads them", .options = OPTIONS_OF_DAEMON,
	    .run = metrics_run },
	{ "names", "", "names of consumers, for the completion of shells", .is_hidden = true,
	    .options = OPTIONS_OF_DAEMON, .run = names_run },
	{ "add", "NAME [FIELD VALUE...]", "add an entry, or one for each line of a file",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF(MAXLEN) | OPTIONS_OF(NDJSON), .n_words_min = 1,
	    .n_words_plain = 2, .run = add_run },
	{ "info", "NAME", "length, lag, pending entries, consumers", .options = OPTIONS_OF_REDIS,
	    .n_words_min = 1, .n_words_max = 1, .run = info_run },
	{ "tail", "NAME", "the last entries, and new ones as they come",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF(FROM) | OPTIONS_OF(COUNT), .n_words_min = 1,
	    .n_words_max = 1, .run = tail_run },
	{ "pending", "NAME", "what was delivered and not acknowledged",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF(CONSUMER) | OPTIONS_OF(IDLE) |
	               OPTIONS_OF(COUNT) | OPTIONS_OF(PAYLOAD),
	    .n_words_min = 1, .n_words_max = 1, .run = pending_run },
	{ "show", "NAME ID", "one entry and what became of it",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF(COUNT), .n_words_min = 2, .n_words_max = 2,
	    .run = show_run },
	{ "claim", "NAME", "take over what others have let lie",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF_CHANGE | OPTIONS_OF(FROM) |
	               OPTIONS_OF(MIN_IDLE) | OPTIONS_OF(CONSUMER),
	    .n_words_min = 1, .n_words_max = 1, .run = claim_run },
	{ "release", "NAME ID...", "give entries back to the group, claimable at once",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF_CHANGE, .n_words_min = 2, .run = release_run },
	{ "consumers", "NAME", "the consumers of the group", .options = OPTIONS_OF_REDIS,
	    .n_words_min = 1, .n_words_max = 1, .run = consumers_run },
	{ "consumers rm", "NAME C", "remove a consumer, with nothing pending or after a handover",
	    .options =
	        OPTIONS_OF_REDIS | OPTIONS_OF_CHANGE | OPTIONS_OF(HANDOVER) | OPTIONS_OF(CONSUMER),
	    .n_words_min = 2, .n_words_max = 2, .run = consumers_rm_run },
	{ "dead list", "NAME [ID...]", "dead-letter records, a row each",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF_RECORDS, .n_words_min = 1,
	    .run = dead_list_run },
	{ "dead show", "NAME [ID...]", "dead-letter records, with everything they hold",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF_RECORDS, .n_words_min = 1,
	    .run = dead_show_run },
	{ "dead redrive", "NAME [ID...]", "give dead entries back to their group",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF_CHANGE | OPTIONS_OF_RECORDS |
	               OPTIONS_OF(RATE) | OPTIONS_OF(AS_NEW) | OPTIONS_OF(FORCE) |
	               OPTIONS_OF(CONSUMER),
	    .n_words_min = 1, .run = dead_redrive_run },
	{ "dead purge", "NAME [ID...]", "remove dead-letter records",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF_CHANGE | OPTIONS_OF_RECORDS | OPTIONS_OF(RATE),
	    .n_words_min = 1, .run = dead_purge_run },
	{ "doctor", "[NAME]", "what is wrong with servers, consumers and this machine",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF_DAEMON, .n_words_max = 1, .run = doctor_run },
	{ "replay", "NAME [-- COMMAND...]", "run entries through the handler once more",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF_CHANGE | OPTIONS_OF(FROM) | OPTIONS_OF(TO) |
	               OPTIONS_OF(RATE),
	    .n_words_min = 1, .run = replay_run },
	{ "trim", "NAME", "remove old entries: --maxlen, --older-than or --acknowledged",
	    .options = OPTIONS_OF_REDIS | OPTIONS_OF_CHANGE | OPTIONS_OF(MAXLEN) |
	               OPTIONS_OF(OLDER_THAN) | OPTIONS_OF(ACKNOWLEDGED),
	    .n_words_min = 1, .n_words_max = 1, .run = trim_run },
};
const size_t n_commands = ARRAY_LEN(commands);

/* ---- finding one */

static bool is_named(const struct command *c, char *const *words, size_t n_words,
    size_t *ret_n_taken)
{
	const char *second = strchr(c->name, ' ');
	size_t len = second ? (size_t)(second - c->name) : strlen(c->name);

	if (strlen(words[0]) != len || memcmp(words[0], c->name, len) != 0)
		return false;
	if (second && (n_words < 2 || strcmp(words[1], second + 1) != 0))
		return false;
	*ret_n_taken = second ? 2 : 1;
	return true;
}

const struct command *command_find(char *const *words, size_t n_words, size_t *ret_n_taken)
{
	const struct command *found = NULL;

	/* "consumers rm" is not "consumers" with the name rm: the longer one wins. */
	*ret_n_taken = 0;
	for (size_t i = 0; i < n_commands; i++) {
		size_t n_taken;

		if (is_named(&commands[i], words, n_words, &n_taken) && n_taken > *ret_n_taken) {
			found = &commands[i];
			*ret_n_taken = n_taken;
		}
	}
	return found;
}

/* ---- help */

static void print_option(const struct option_row *o, FILE *to)
{
	char left[40];

	snprintf(left, sizeof(left), "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
	    o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->word,
	    *o->placeholder ? " " : "", o->placeholder);
	fprintf(to, "  %-26s %s\n", left, o->help);
}

static void print_options(uint64_t set, FILE *to)
{
	for (int o = 0; o < CTL_OPTION_COUNT; o++) {
		if (set & (uint64_t)1 << o)
			print_option(&ctl_options[o], to);
	}
}

void command_print_all(FILE *to)
{
	fputs("usage: sluicectl [-c FILE | --instance NAME | --socket PATH | --url URL] [--json] "
	      "COMMAND\n\n",
	    to);
	for (size_t i = 0; i < n_commands; i++) {
		char left[80];

		if (commands[i].is_hidden)
			continue;
		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].words);
		fprintf(to, "  %-34s %s\n", left, commands[i].help);
	}
	fputs("\nNAME is a consumer of the configuration; --stream S --group G can stand instead "
	      "of it.\n"
	      "'sluicectl COMMAND --help' tells more; sluicectl(1) has an example of each.\n\n",
	    to);
	print_options(OPTIONS_OF_ALL | OPTIONS_OF_DAEMON | OPTIONS_OF(URL), to);
	fputs("\nExit status: 0, 1 failure, 2 usage, 3 what was asked for is not there.\n", to);
}

void command_print_help(const struct command *c, FILE *to)
{
	fprintf(to, "usage: sluicectl [OPTION...] %s %s\n\n%c%s.\n\n", c->name, c->words,
	    c->help[0] - ('a' <= c->help[0] && c->help[0] <= 'z' ? 'a' - 'A' : 0), c->help + 1);
	print_options(c->options | OPTIONS_OF_ALL, to);
}
