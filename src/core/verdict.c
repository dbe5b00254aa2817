/* SPDX-License-Identifier: MIT */
#include "core/verdict.h"

#include <signal.h>
#include <stdio.h>

#include "base/compiler.h"

const char *verdict_word(enum verdict v)
{
	static const char *const words[VERDICT_COUNT] = {
		[VERDICT_OK] = "ok",
		[VERDICT_RETRY] = "retry",
		[VERDICT_DEAD] = "dead",
		[VERDICT_DROP] = "drop",
		[VERDICT_RELEASE] = "release",
		[VERDICT_BROKEN] = "broken",
	};

	return words[v];
}

const char *failure_word(enum failure f)
{
	static const char *const words[FAILURE_COUNT] = {
		[FAILURE_NONE] = "none",
		[FAILURE_EXIT] = "exit",
		[FAILURE_SIGNAL] = "signal",
		[FAILURE_TIMEOUT] = "timeout",
		[FAILURE_RETRY] = "retry",
		[FAILURE_BROKEN] = "broken",
	};

	return words[f];
}

void exit_codes_default(struct exit_codes *codes)
{
	for (size_t status = 0; status < ARRAY_LEN(codes->meaning); status++)
		codes->meaning[status] = EXIT_MEANS_RETRY;
	codes->meaning[0] = EXIT_MEANS_OK;
	codes->meaning[64] = EXIT_MEANS_BROKEN;  /* EX_USAGE */
	codes->meaning[65] = EXIT_MEANS_DEAD;    /* EX_DATAERR */
	codes->meaning[78] = EXIT_MEANS_BROKEN;  /* EX_CONFIG */
	codes->meaning[126] = EXIT_MEANS_BROKEN; /* a shell found no permission to run it */
	codes->meaning[127] = EXIT_MEANS_BROKEN; /* a shell did not find it */
}

/* sigabbrev_np() came with glibc 2.32 and is in no other C library. */
static const char *const signal_names[] = {
	[SIGHUP] = "SIGHUP",
	[SIGINT] = "SIGINT",
	[SIGQUIT] = "SIGQUIT",
	[SIGILL] = "SIGILL",
	[SIGTRAP] = "SIGTRAP",
	[SIGABRT] = "SIGABRT",
	[SIGBUS] = "SIGBUS",
	[SIGFPE] = "SIGFPE",
	[SIGKILL] = "SIGKILL",
	[SIGUSR1] = "SIGUSR1",
	[SIGSEGV] = "SIGSEGV",
	[SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",
	[SIGALRM] = "SIGALRM",
	[SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT",
	[SIGCHLD] = "SIGCHLD",
	[SIGCONT] = "SIGCONT",
	[SIGSTOP] = "SIGSTOP",
	[SIGTSTP] = "SIGTSTP",
	[SIGTTIN] = "SIGTTIN",
	[SIGTTOU] = "SIGTTOU",
	[SIGURG] = "SIGURG",
	[SIGXCPU] = "SIGXCPU",
	[SIGXFSZ] = "SIGXFSZ",
	[SIGVTALRM] = "SIGVTALRM",
	[SIGPROF] = "SIGPROF",
	[SIGWINCH] = "SIGWINCH",
	[SIGIO] = "SIGIO",
	[SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};

const char *signal_name(int signal)
{
	static char unnamed[_NSIG][sizeof("signal 128")];
	char *text;

	if (signal < 0 || signal >= _NSIG)
		return "unknown signal";
	if ((size_t)signal < ARRAY_LEN(signal_names) && signal_names[signal])
		return signal_names[signal];
	text = unnamed[signal];
	if (!*text)
		snprintf(text, sizeof(unnamed[0]), "signal %d", signal % 1000);
	return text;
}
