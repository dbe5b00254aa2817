/* SPDX-License-Identifier: MIT */
/* Programs on this machine: where they are, and whether a user may run them. */
#ifndef SLUICED_CTL_PROGRAM_H
#define SLUICED_CTL_PROGRAM_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "base/slice.h"

/* The absolute path of what a shell would run by this name, with this PATH; NULL: there is none.
 * The caller frees it. */
char *program_find(const char *name, const char *path) MUST_CHECK;

/* A user as the kernel sees one who asks for a file. */
struct file_user {
	uid_t uid;
	gid_t *groups; /* all of them */
	size_t n_groups;
	char *name;
};

/* uid's groups are those of the user database. */
void file_user_init(struct file_user *u, uid_t uid);
void file_user_done(struct file_user *u);

/* Whether the modes let the user do it: one of S_IROTH, S_IWOTH, S_IXOTH. (ACLs are not looked at.)
 */
bool file_user_may(const struct file_user *u, const struct stat *st, mode_t right);

/*
 * Whether the user may run the program (or, of a directory, enter it). NULL: yes. Else why not,
 * which the caller frees.
 */
char *file_user_hindrance(const struct file_user *u, const char *path) MUST_CHECK;

/* What stands behind "#!", as the kernel reads it. */
struct shebang {
	char *interpreter;
	char *argument; /* NULL: none */
};

/* False for a file that begins otherwise, or names nothing. head is its beginning. */
bool shebang_parse(struct slice head, struct shebang *ret_shebang);
void shebang_done(struct shebang *s);

/* The name of the program that "env" is to find in PATH; NULL: it is not env, or names none. The
 * caller frees it. */
char *shebang_name_for_env(const struct shebang *s) MUST_CHECK;

#endif
