/* SPDX-License-Identifier: MIT */
#ifndef SLUICED_BASE_COMPILER_H
#define SLUICED_BASE_COMPILER_H

#include <stddef.h>

/* The caller must look at the result: it is an error code or something to free. */
#define MUST_CHECK __attribute__((warn_unused_result))

#define PRINTF_LIKE(format_index, first_arg)                                                       \
	__attribute__((format(printf, format_index, first_arg)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of the given type whose `member` is at `ptr`. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
