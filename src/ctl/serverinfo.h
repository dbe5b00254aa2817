/* SPDX-License-Identifier: MIT */
/* What INFO tells. Pure. */
#ifndef SLUICED_CTL_SERVERINFO_H
#define SLUICED_CTL_SERVERINFO_H

#include "base/compiler.h"
#include "base/slice.h"

/* The value of a line "name:value"; empty: there is none. */
struct slice info_value(struct slice info, const char *name);

struct server_version {
	char text[64];   /* "Valkey 8.1.1" */
	unsigned number; /* 602 is Redis 6.2; of a Valkey, the Redis that it is equal to */
};

/* 0, or -EINVAL. */
int server_version_read(struct slice info, struct server_version *ret_version) MUST_CHECK;

#endif
