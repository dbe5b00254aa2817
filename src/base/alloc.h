/* SPDX-License-Identifier: MIT */
/*
 * Allocation that cannot fail: without memory the process aborts. Entries are then still pending
 * in Redis and are delivered again, whereas a half-handled allocation failure would be a bug that
 * no test reaches. Every size that comes from outside is therefore bounded before it gets here.
 */
#ifndef SLUICED_BASE_ALLOC_H
#define SLUICED_BASE_ALLOC_H

#include <stdarg.h>
#include <stddef.h>

#include "base/compiler.h"

/* All of these return memory that the caller owns and gives back with free(). */
void *xmalloc(size_t size) MUST_CHECK;
void *xcalloc(size_t count, size_t size) MUST_CHECK;
void *xrealloc(void *old, size_t size) MUST_CHECK;
void *xreallocarray(void *old, size_t count, size_t size) MUST_CHECK;
void *xmemdup(const void *data, size_t size) MUST_CHECK;
char *xstrdup(const char *text) MUST_CHECK;
char *xstrndup(const char *text, size_t len) MUST_CHECK;
char *xasprintf(const char *format, ...) PRINTF_LIKE(1, 2) MUST_CHECK;
char *xvasprintf(const char *format, va_list args) PRINTF_LIKE(1, 0) MUST_CHECK;

#endif
