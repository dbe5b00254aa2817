/* SPDX-License-Identifier: MIT */
/*
 * Options may stand anywhere, also before the command. So there are two passes: the first takes
 * options and words apart, the second looks at what the command that the words name allows.
 */
#include "ctl/args.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "ctl/ctl.h"

/* One pass over argv. */
struct parsing {
	int argc, next;
	char **argv;
	struct args *args;
	size_t n_plain;    /* so many words, then everything is one; SIZE_MAX: not known yet */
	bool is_all_words; /* after -- */
};

static enum ctl_option option_named(const char *word, size_t len)
{
	int o = 0;

	while (o < CTL_OPTION_COUNT &&
	       (strlen(ctl_options[o].word) != len || memcmp(ctl_options[o].word, word, len) != 0))
		o++;
	return (enum ctl_option)o;
}

static enum ctl_option option_lettered(char letter)
{
	int o = 0;

	while (o < CTL_OPTION_COUNT && ctl_options[o].letter != letter)
		o++;
	return (enum ctl_option)o;
}

static int parse_rate(const char *text, uint64_t *ret_rate)
{
	size_t len = strlen(text);

	if (len > 2 && strcmp(text + len - 2, "/s") == 0)
		len -= 2;
	return parse_u64((struct slice){ text, len }, ret_rate);
}

/* What a value of that kind looks like, or NULL when it is one. */
static const char *misfit(enum option_kind kind, const char *text, uint64_t *ret_number)
{
	switch (kind) {
	case OPTION_IS_FLAG:
		return NULL;
	case OPTION_IS_TEXT:
		return *text ? NULL : "a text";
	case OPTION_IS_NUMBER:
		return parse_u64(slice_of(text), ret_number) || !*ret_number ? "a number from 1"
		                                                             : NULL;
	case OPTION_IS_DURATION:
		return parse_duration_ms(slice_of(text), ret_number)
		           ? "a duration such as 500ms or 5m"
		           : NULL;
	case OPTION_IS_RATE:
		break;
	}
	return parse_rate(text, ret_number) || !*ret_number ? "a rate such as 100/s" : NULL;
}

static int set_option(struct args *a, enum ctl_option o, const char *value)
{
	const struct option_row *row = &ctl_options[o];
	const char *expected = misfit(row->kind, value, &a->number[o]);

	if (expected) {
		complain("--%s: expected %s, got \"%s\"", row->word, expected, value);
		return -EINVAL;
	}
	a->given[o] = true;
	a->text[o] = value;
	return 0;
}

/* value is what stands behind it in the same word; NULL: nothing does. */
static int take_option(struct parsing *p, enum ctl_option o, const char *value)
{
	const struct option_row *row = &ctl_options[o];

	if (row->kind == OPTION_IS_FLAG && value) {
		complain("--%s takes no value", row->word);
		return -EINVAL;
	}
	if (row->kind == OPTION_IS_FLAG)
		return set_option(p->args, o, "");
	if (!value && p->next >= p->argc) {
		complain("--%s: expected %s", row->word, row->placeholder);
		return -EINVAL;
	}
	return set_option(p->args, o, value ? value : p->argv[p->next++]);
}

static int unknown_option(const char *word)
{
	complain("there is no option \"%s\"", word);
	return -EINVAL;
}

static int take_long(struct parsing *p, const char *word)
{
	size_t len = strcspn(word + 2, "=");
	enum ctl_option o = option_named(word + 2, len);

	if (o == CTL_OPTION_COUNT)
		return unknown_option(word);
	return take_option(p, o, word[2 + len] ? word + 2 + len + 1 : NULL);
}

static int take_short(struct parsing *p, const char *word)
{
	enum ctl_option o = option_lettered(word[1]);

	if (o == CTL_OPTION_COUNT)
		return unknown_option(word);
	return take_option(p, o, word[2] ? word + 2 : NULL);
}

/* Once the words name a command, its row says how many more are looked at for options. */
static void take_word(struct parsing *p, char *word)
{
	struct args *a = p->args;
	const struct command *c;
	size_t n_taken;

	a->words[a->n_words++] = word;
	c = command_find(a->words, a->n_words, &n_taken);
	if (c && c->n_words_plain)
		p->n_plain = n_taken + c->n_words_plain - (args_has(a, OPTION_GROUP) ? 1 : 0);
	if (a->n_words >= p->n_plain)
		p->is_all_words = true;
}

static int take_next(struct parsing *p)
{
	char *word = p->argv[p->next++];

	if (p->is_all_words || word[0] != '-' || !word[1]) {
		take_word(p, word);
		return 0;
	}
	if (strcmp(word, "--") == 0) {
		p->is_all_words = true;
		return 0;
	}
	return word[1] == '-' ? take_long(p, word) : take_short(p, word);
}

/* ---- what the command takes */

static int check_options(const struct args *a)
{
	uint64_t taken = a->command->options | OPTIONS_OF_ALL;

	for (int o = 0; o < CTL_OPTION_COUNT; o++) {
		if (a->given[o] && !(taken & (uint64_t)1 << o)) {
			complain("%s takes no --%s", a->command->name, ctl_options[o].word);
			return -EINVAL;
		}
	}
	return 0;
}

static bool takes_name(const struct command *c)
{
	return strncmp(c->words, "NAME", 4) == 0 || strncmp(c->words, "[NAME", 5) == 0;
}

static int check_words(const struct args *a, size_t n)
{
	const struct command *c = a->command;
	bool group_is_name = takes_name(c) && args_has(a, OPTION_GROUP);

	if (group_is_name && !args_has(a, OPTION_STREAM)) {
		complain("--group needs --stream as well");
		return -EINVAL;
	}
	n += group_is_name;
	if (n >= c->n_words_min && (n <= c->n_words_max || (!c->n_words_max && *c->words)))
		return 0;
	complain("usage: sluicectl %s %s", c->name, c->words);
	return -EINVAL;
}

/* Of those with two words the first one alone names none. */
static int unknown_command(const char *word)
{
	size_t len = strlen(word);
	struct buf longer = { 0 };

	for (size_t i = 0; i < n_commands; i++) {
		const char *name = commands[i].name;

		if (strncmp(name, word, len) == 0 && name[len] == ' ')
			buf_printf(&longer, "%s%s", buf_len(&longer) ? ", " : ", but ", name);
	}
	complain("there is no command \"%s\"%.*s", word, (int)buf_len(&longer),
	    buf_len(&longer) ? buf_data(&longer) : "");
	buf_done(&longer);
	return -EINVAL;
}

static int fit_command(struct args *a)
{
	size_t n_taken;
	int r;

	a->command = command_find(a->words, a->n_words, &n_taken);
	if (!a->command)
		return unknown_command(a->words[0]);
	a->words += n_taken;
	a->n_words -= n_taken;
	r = check_options(a);
	if (r || args_has(a, OPTION_HELP))
		return r;
	r = check_words(a, a->n_words);
	if (!r && takes_name(a->command) && !args_has(a, OPTION_GROUP) && a->n_words) {
		a->name = *a->words++;
		a->n_words--;
	}
	return r;
}

int args_parse(int argc, char **argv, struct args *ret_args)
{
	struct args a = { .words = argv };
	struct parsing p = { .argc = argc,
		.next = 1,
		.argv = argv,
		.args = &a,
		.n_plain = SIZE_MAX };
	int r = 0;

	while (!r && p.next < argc)
		r = take_next(&p);
	if (!r && a.n_words)
		r = fit_command(&a);
	else if (!r && !args_has(&a, OPTION_HELP) && !args_has(&a, OPTION_VERSION)) {
		complain("a command is missing");
		r = -EINVAL;
	}
	if (r)
		fputs("Try 'sluicectl --help'.\n", stderr);
	else
		*ret_args = a;
	return r;
}
