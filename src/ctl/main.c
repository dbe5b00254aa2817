/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>

#include "ctl/ctl.h"
#include "ctl/output.h"

static enum ctl_exit run(struct ctl *c)
{
	if (args_has(&c->args, OPTION_VERSION)) {
		puts("sluicectl " SLUICED_VERSION);
		return CTL_DONE;
	}
	if (!c->args.command) {
		command_print_all(stdout);
		return CTL_DONE;
	}
	if (args_has(&c->args, OPTION_HELP)) {
		command_print_help(c->args.command, stdout);
		return CTL_DONE;
	}
	return c->args.command->run(c);
}

int main(int argc, char **argv)
{
	struct ctl c = { 0 };
	enum ctl_exit status;

	/* A pager that was left is an error of write(), not the end in the middle of a change. */
	signal(SIGPIPE, SIG_IGN);
	if (args_parse(argc, argv, &c.args))
		return CTL_USAGE;
	c.json = args_has(&c.args, OPTION_JSON);
	status = run(&c);
	ctl_done(&c);
	if (!output_flush() && status == CTL_DONE)
		status = CTL_FAILED;
	return (int)status;
}
