/* SPDX-License-Identifier: MIT */
/* Can the daemon's user, who is rarely the one that asks, start the handler? */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ctl/doctor.h"
#include "ctl/program.h"

enum { HEAD_BYTES = 256 }; /* as much of a "#!" line as Linux looks at */

static const struct handler_settings *handler_of(const struct doctor *d)
{
	return &d->consumer->handler;
}

/* What env would search: the handler's own, else ours for want of the daemon's. */
static const char *path_of_handler(const struct doctor *d)
{
	const struct string_map *environment = &handler_of(d)->environment;
	const char *path = getenv("PATH");

	for (size_t i = 0; i < environment->len; i++) {
		if (strcmp(environment->names[i], "PATH") == 0)
			path = environment->values[i];
	}
	return path ? path : "/usr/local/bin:/usr/bin:/bin";
}

/* Each of these returns whether it has noted something. */

static bool is_hindered(struct doctor *d, const struct file_user *user, const char *path,
    const char *what)
{
	char *why = file_user_hindrance(user, path);

	if (why)
		doctor_note(d, HEALTH_ERROR, "%s: %s", what, why);
	free(why);
	return why != NULL;
}

static bool lacks_interpreter(struct doctor *d, const struct file_user *user,
    const struct shebang *s)
{
	const char *program = handler_of(d)->program;
	const char *end = s->argument ? s->argument : s->interpreter;

	if (end[strlen(end) - 1] == '\r') {
		doctor_note(d, HEALTH_ERROR,
		    "the first line of %s ends like those of Windows, with a carriage return",
		    program);
		doctor_advise(d, "sed -i 's/\\r$//' %s", program);
		return true;
	}
	if (!is_hindered(d, user, s->interpreter, "the interpreter of the script"))
		return false;
	doctor_advise(d, "install it, or change the \"#!\" line of %s", program);
	return true;
}

static bool lacks_program_of_env(struct doctor *d, const struct shebang *s)
{
	char *name = shebang_name_for_env(s);
	char *path = name ? program_find(name, path_of_handler(d)) : NULL;
	bool lacks = name && !path;

	if (lacks)
		doctor_note(d, HEALTH_ERROR, "the interpreter of the script, %s, is not in %s",
		    name, path_of_handler(d));
	if (lacks)
		doctor_advise(d, "install it, or set PATH in handler.environment");
	free(name);
	free(path);
	return lacks;
}

static bool is_script_hindered(struct doctor *d, const struct file_user *user,
    const struct shebang *s)
{
	return lacks_interpreter(d, user, s) || lacks_program_of_env(d, s);
}

static size_t read_head(const char *path, char head[HEAD_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd < 0 ? 0 : read(fd, head, HEAD_BYTES);

	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

static bool has_bad_head(struct doctor *d, const struct file_user *user)
{
	char head[HEAD_BYTES];
	size_t len = read_head(handler_of(d)->program, head);
	struct shebang s;
	bool is_bad;

	if (!len || memcmp(head, "\177ELF", len < 4 ? len : 4) == 0)
		return false; /* a program, or one that cannot be read, but perhaps run */
	if (shebang_parse((struct slice){ head, len }, &s)) {
		is_bad = is_script_hindered(d, user, &s);
		shebang_done(&s);
		return is_bad;
	}
	doctor_note(d, HEALTH_WARNING, "%s is neither a program nor a script with a \"#!\" line",
	    handler_of(d)->program);
	return true;
}

static bool is_missing(struct doctor *d, const struct file_user *user)
{
	const struct handler_settings *h = handler_of(d);
	const char *name = h->command.items[0];

	if (h->program)
		return is_hindered(d, user, h->program, "cannot be run");
	if (!strchr(name, '/')) {
		doctor_note(d, HEALTH_ERROR, "there is no %s in PATH", name);
		return true;
	}
	if (!is_hindered(d, user, name, "cannot be run"))
		doctor_note(d, HEALTH_ERROR, "%s cannot be run", name);
	return true;
}

void look_at_handler(struct doctor *d)
{
	struct file_user user;
	const char *directory;

	if (!d->consumer)
		return;
	directory = handler_of(d)->working_directory;
	file_user_init(&user, d->service.uid);
	if (!is_missing(d, &user) && !has_bad_head(d, &user) &&
	    !(directory && is_hindered(d, &user, directory, "handler.working_directory")))
		doctor_note(d, HEALTH_OK, "%s, run by %s", handler_of(d)->program, user.name);
	file_user_done(&user);
}
