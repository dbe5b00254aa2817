/* SPDX-License-Identifier: MIT */
#include "redis/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { REPEAT_LOG_MS = 30000 };

struct fault *fault_at(struct fault **f)
{
	if (!*f)
		*f = xcalloc(1, sizeof(**f));
	return *f;
}

void fault_set(struct fault *f, const char *format, ...)
{
	va_list args;

	if (fault_is_set(f))
		return;
	va_start(args, format);
	vsnprintf(f->why, sizeof(f->why), format, args);
	va_end(args);
}

void fault_set_lasting(struct fault *f, const char *format, ...)
{
	va_list args;

	if (fault_is_set(f))
		return;
	f->needs_person = true;
	va_start(args, format);
	vsnprintf(f->why, sizeof(f->why), format, args);
	va_end(args);
}

void fault_take(struct fault *f, const struct fault *cause)
{
	if (!fault_is_set(f))
		*f = *cause;
}

bool fault_log_pass(struct fault_log *l, const struct fault *f, uint64_t now_ms)
{
	uint64_t held_back;

	if (!l->last || strcmp(f->why, l->last) != 0)
		l->limit = (struct log_limit){ 0 };
	if (!log_limit_pass(&l->limit, now_ms, REPEAT_LOG_MS, &held_back))
		return false;
	free(l->last);
	l->last = xstrdup(f->why);
	return true;
}

void fault_log_done(struct fault_log *l)
{
	free(l->last);
	l->last = NULL;
}
