/* SPDX-License-Identifier: MIT */
/* The command line of sluicectl, checked against the tables. */
#ifndef SLUICED_CTL_ARGS_H
#define SLUICED_CTL_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "ctl/command.h"

/* Everything is borrowed from argv. */
struct args {
	const struct command *command; /* NULL: none was named (--help, --version) */
	const char
	    *name;    /* NAME; NULL where --group stands instead of it, or the command has none */
	char **words; /* what follows */
	size_t n_words;
	bool given[CTL_OPTION_COUNT];
	const char *text[CTL_OPTION_COUNT];
	uint64_t number[CTL_OPTION_COUNT]; /* NUMBER, DURATION (ms), RATE */
};

/* 0, or -EINVAL after saying on standard error what is wrong. The order of argv is changed. */
int args_parse(int argc, char **argv, struct args *ret_args) MUST_CHECK;

static inline bool args_has(const struct args *a, enum ctl_option o)
{
	return a->given[o];
}

/* NULL when it is not given. */
static inline const char *args_text(const struct args *a, enum ctl_option o)
{
	return a->text[o];
}

static inline uint64_t args_number(const struct args *a, enum ctl_option o, uint64_t fallback)
{
	return a->given[o] ? a->number[o] : fallback;
}

#endif
