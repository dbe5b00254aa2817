/* SPDX-License-Identifier: MIT */
/* Collects messages; knows nothing of what they are about. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void diag_init(struct diag *d, const char *file)
{
	*d = (struct diag){ .file = xstrdup(file) };
}

void diag_done(struct diag *d)
{
	for (size_t i = 0; i < d->n_messages; i++)
		free(d->messages[i].text);
	free(d->messages);
	free(d->file);
	*d = (struct diag){ 0 };
}

static void add(struct diag *d, struct diag_message m)
{
	if (d->n_messages == d->cap) {
		d->cap = d->cap ? 2 * d->cap : 8;
		d->messages = xreallocarray(d->messages, d->cap, sizeof(*d->messages));
	}
	d->messages[d->n_messages++] = m;
}

void diag_error(struct diag *d, struct diag_place at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(d, (struct diag_message){ .place = at, .text = xvasprintf(format, args) });
	va_end(args);
	d->n_errors++;
}

void diag_warning(struct diag *d, struct diag_place at, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(d, (struct diag_message){ .place = at,
	           .warning = true,
	           .text = xvasprintf(format, args) });
	va_end(args);
}

/* qsort is not stable, so messages at one place are told apart by where they were. */
static int compare_messages(const void *a, const void *b)
{
	const struct diag_message *const *left = a, *const *right = b;
	const struct diag_place *p = &(*left)->place, *q = &(*right)->place;

	if (p->line != q->line)
		return p->line < q->line ? -1 : 1;
	if (p->column != q->column)
		return p->column < q->column ? -1 : 1;
	return *left < *right ? -1 : 1;
}

void diag_sort(struct diag *d)
{
	const struct diag_message **order;
	struct diag_message *sorted;

	if (d->n_messages < 2)
		return;
	order = xreallocarray(NULL, d->n_messages, sizeof(*order));
	sorted = xreallocarray(NULL, d->n_messages, sizeof(*sorted));
	for (size_t i = 0; i < d->n_messages; i++)
		order[i] = &d->messages[i];
	qsort(order, d->n_messages, sizeof(*order), compare_messages);
	for (size_t i = 0; i < d->n_messages; i++)
		sorted[i] = *order[i];
	memcpy(d->messages, sorted, d->n_messages * sizeof(*sorted));
	free(sorted);
	free(order);
}

static char *format_with(const struct diag *d, const struct diag_message *m, const char *mark)
{
	if (!m->place.line)
		return xasprintf("%s: %s%s", d->file, mark, m->text);
	return xasprintf("%s:%u:%u: %s%s", d->file, m->place.line, m->place.column, mark, m->text);
}

char *diag_format(const struct diag *d, const struct diag_message *m)
{
	return format_with(d, m, "");
}

void diag_print(const struct diag *d, FILE *to)
{
	for (size_t i = 0; i < d->n_messages; i++) {
		const struct diag_message *m = &d->messages[i];
		char *line = format_with(d, m, m->warning ? "warning: " : "");

		fprintf(to, "%s\n", line);
		free(line);
	}
}
