/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_REDIS_SECRET_H
#define SLUICED_REDIS_SECRET_H

#include "base/compiler.h"
#include "core/settings.h"

/*
 * The password as of now: given directly, or read again from its file or credential at every
 * connect so that it can be changed without a restart. NULL in *ret_password when none is set; the
 * caller frees it with secret_free(). 0 or -errno with *ret_path the file that could not be read.
 */
int secret_read(const struct secret_settings *s, char **ret_password, char **ret_path) MUST_CHECK;

/* Overwrites it first. NULL is allowed. */
void secret_free(char *password);

#endif
