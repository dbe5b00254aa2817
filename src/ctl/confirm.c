/* SPDX-License-Identifier: MIT */
#include "ctl/confirm.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/text.h"
#include "ctl/interrupt.h"

/* Line by line: names that others gave may hold what a terminal obeys. */
static void say(const char *format, va_list args)
{
	struct buf line = { 0 };
	char *text, *rest, *next;

	text = xvasprintf(format, args);
	rest = text;
	while ((next = strsep(&rest, "\n"))) {
		text_append_printable(&line, slice_of(next));
		fprintf(stderr, "%.*s\n", (int)buf_len(&line), buf_data(&line));
		buf_clear(&line);
	}
	buf_done(&line);
	free(text);
}

/*
 * False after an interrupt that is only noted (ctl/interrupt.h). It may come at any moment: signals
 * are let in only while it waits, or one just before that would leave us waiting.
 */
static bool wait_for_line(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t ends, before;
	bool is_there;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &before);
	is_there = !interrupted() && ppoll(&in, 1, NULL, &before) == 1;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return is_there;
}

/* Whatever is not clearly a yes is a no: an empty line, the end of the input. */
static bool ask_yes(void)
{
	char answer[16] = "";

	fputs("Go on? [y/N] ", stderr);
	if (!wait_for_line() || !fgets(answer, sizeof(answer), stdin))
		fputc('\n', stderr);
	return strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0 ||
	       strcmp(answer, "Y\n") == 0;
}

enum consent confirm(const struct ctl *c, const char *format, ...)
{
	bool is_dry = args_has(&c->args, OPTION_DRY_RUN);
	va_list args;

	fflush(stdout);
	va_start(args, format);
	say(format, args);
	va_end(args);
	if (is_dry)
		return CONSENT_DRY;
	if (args_has(&c->args, OPTION_YES) || !isatty(STDIN_FILENO) || ask_yes())
		return CONSENT_GO;
	return CONSENT_NO;
}
