/* SPDX-License-Identifier: MIT */
/* The commands: a row each. The parser, the help and the completion follow from the table. */
#ifndef SLUICED_CTL_COMMAND_H
#define SLUICED_CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "ctl/option.h"

struct ctl;

/* Exit statuses. MISSING: what was asked for by name or id is not there. */
enum ctl_exit { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_MISSING = 3 };

struct command {
	const char *name;  /* "pending", or two words: "dead list" */
	const char *words; /* synopsis of its words: "NAME [ID...]"; NAME comes first if at all */
	const char *help;  /* one line */
	bool is_hidden;    /* from the list of commands: for programs */
	uint64_t options;  /* OPTIONS_OF(...), beside OPTIONS_OF_ALL */
	size_t n_words_min, n_words_max; /* NAME included; max 0: any number, or
	                                    none where the synopsis is empty */
	size_t n_words_plain; /* what follows so many words is taken literally; 0: never */
	enum ctl_exit (*run)(struct ctl *c);
};

extern const struct command commands[];
extern const size_t n_commands;

/* The command that the first one or two words name, and how many words that took; NULL: none. */
const struct command *command_find(char *const *words, size_t n_words, size_t *ret_n_taken);

void command_print_all(FILE *to);
void command_print_help(const struct command *c, FILE *to);

#endif
