/* SPDX-License-Identifier: MIT */
#include "ctl/program.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

/* ---- where it is */

static bool is_executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *if_executable(char *path)
{
	if (path && is_executable(path))
		return path;
	free(path);
	return NULL;
}

static char *from_here(const char *name)
{
	char *here = *name == '/' ? NULL : getcwd(NULL, 0);
	char *path = here ? xasprintf("%s/%s", here, name) : xstrdup(name);

	free(here);
	return path;
}

char *program_find(const char *name, const char *path)
{
	if (strchr(name, '/'))
		return if_executable(from_here(name));
	while (*path) {
		size_t len = strcspn(path, ":");
		char *found =
		    len ? if_executable(xasprintf("%.*s/%s", (int)len, path, name)) : NULL;

		if (found)
			return found;
		path += len + (path[len] == ':');
	}
	return NULL;
}

/* ---- who may run it */

static void add_groups(struct file_user *u, const struct passwd *pw)
{
	int n = 64;

	u->groups = xcalloc((size_t)n, sizeof(*u->groups));
	if (getgrouplist(pw->pw_name, pw->pw_gid, u->groups, &n) < 0) {
		u->groups = xreallocarray(u->groups, (size_t)n, sizeof(*u->groups));
		if (getgrouplist(pw->pw_name, pw->pw_gid, u->groups, &n) < 0)
			n = 0;
	}
	u->n_groups = (size_t)n;
}

void file_user_init(struct file_user *u, uid_t uid)
{
	const struct passwd *pw = getpwuid(uid);

	*u = (struct file_user){ .uid = uid };
	u->name = pw ? xstrdup(pw->pw_name) : xasprintf("%u", (unsigned)uid);
	if (pw)
		add_groups(u, pw);
}

void file_user_done(struct file_user *u)
{
	free(u->groups);
	free(u->name);
	*u = (struct file_user){ 0 };
}

static bool is_in_group(const struct file_user *u, gid_t gid)
{
	for (size_t i = 0; i < u->n_groups; i++) {
		if (u->groups[i] == gid)
			return true;
	}
	return false;
}

bool file_user_may(const struct file_user *u, const struct stat *st, mode_t right)
{
	/* Root reads and enters everything; it runs what anybody may run. */
	if (u->uid == 0)
		return right != S_IXOTH || S_ISDIR(st->st_mode) || (st->st_mode & 0111);
	if (u->uid == st->st_uid)
		return st->st_mode & right << 6;
	if (is_in_group(u, st->st_gid))
		return st->st_mode & right << 3;
	return st->st_mode & right;
}

static char *hindrance_at(const struct file_user *u, const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return xasprintf("%s: %s", path, strerror(errno));
	if (file_user_may(u, &st, S_IXOTH))
		return NULL;
	if (S_ISDIR(st.st_mode))
		return xasprintf("the user %s may not enter %s", u->name, path);
	return st.st_mode & 0111 ? xasprintf("the user %s may not run %s", u->name, path)
	                         : xasprintf("%s is not executable", path);
}

char *file_user_hindrance(const struct file_user *u, const char *path)
{
	char *step = xstrdup(path), *why = NULL;

	for (char *p = step + 1; *p && !why; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		why = hindrance_at(u, step);
		*p = '/';
	}
	free(step);
	return why ? why : hindrance_at(u, path);
}

/* ---- what runs it */

static struct slice trimmed(struct slice s)
{
	while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static char *text_of(struct slice s)
{
	return s.len ? xasprintf("%.*s", (int)s.len, s.data) : NULL;
}

bool shebang_parse(struct slice head, struct shebang *ret_shebang)
{
	const char *end;
	struct slice line, rest;
	size_t len = 0;

	if (head.len < 2 || memcmp(head.data, "#!", 2) != 0)
		return false;
	end = memchr(head.data, '\n', head.len);
	line = trimmed(
	    (struct slice){ head.data + 2, (end ? (size_t)(end - head.data) : head.len) - 2 });
	while (len < line.len && line.data[len] != ' ' && line.data[len] != '\t')
		len++;
	if (!len)
		return false;
	rest = trimmed((struct slice){ line.data + len, line.len - len });
	*ret_shebang = (struct shebang){
		.interpreter = text_of((struct slice){ line.data, len }),
		.argument = text_of(rest),
	};
	return true;
}

void shebang_done(struct shebang *s)
{
	free(s->interpreter);
	free(s->argument);
	*s = (struct shebang){ 0 };
}

char *shebang_name_for_env(const struct shebang *s)
{
	const char *slash = strrchr(s->interpreter, '/'), *word = s->argument;

	if (!word || !slash || strcmp(slash, "/env") != 0)
		return NULL;
	/* env -S splits what the kernel gives it as one argument. */
	if (strncmp(word, "-S", 2) == 0)
		word += 2;
	word += strspn(word, " \t");
	/* Its other options and variables are too rare to be followed. */
	if (!*word || *word == '-' || memchr(word, '=', strcspn(word, " \t")))
		return NULL;
	return xasprintf("%.*s", (int)strcspn(word, " \t"), word);
}
