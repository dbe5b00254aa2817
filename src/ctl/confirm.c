/* SPDX-License-Identifier: MIT */
#include "ctl/confirm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void say(FILE *to, const char *format, va_list args)
{
	vfprintf(to, format, args);
	fputc('\n', to);
}

/* Whatever is not clearly a yes is a no: an empty line, the end of the input. */
static bool ask_yes(void)
{
	char answer[16] = "";

	fputs("Go on? [y/N] ", stderr);
	if (!fgets(answer, sizeof(answer), stdin))
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
	say(stderr, format, args);
	va_end(args);
	if (is_dry)
		return CONSENT_DRY;
	if (args_has(&c->args, OPTION_YES) || !isatty(STDIN_FILENO) || ask_yes())
		return CONSENT_GO;
	return CONSENT_NO;
}
