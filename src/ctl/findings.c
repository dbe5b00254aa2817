/* SPDX-License-Identifier: MIT */
#include "ctl/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/text.h"
#include "ctl/output.h"

static const struct {
	const char *word;
	enum style style;
} healths[HEALTH_COUNT] = {
	[HEALTH_OK] = { "ok", STYLE_GOOD },
	[HEALTH_UNKNOWN] = { "unknown", STYLE_WARN },
	[HEALTH_WARNING] = { "warning", STYLE_WARN },
	[HEALTH_ERROR] = { "error", STYLE_BAD },
};

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

void findings_add(struct findings *f, const struct finding *what)
{
	if (f->len == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 32;
		f->items = xreallocarray(f->items, f->cap, sizeof(*f->items));
	}
	f->items[f->len++] = (struct finding){
		.check = what->check,
		.health = what->health,
		.section = copy(what->section),
		.stream = copy(what->stream),
		.text = copy(what->text),
		.advice = copy(what->advice),
	};
	f->n[what->health]++;
}

void findings_advise(struct findings *f, const char *format, ...)
{
	struct finding *last = &f->items[f->len - 1];
	va_list args;

	va_start(args, format);
	free(last->advice);
	last->advice = xvasprintf(format, args);
	va_end(args);
}

void findings_done(struct findings *f)
{
	for (size_t i = 0; i < f->len; i++) {
		free(f->items[i].section);
		free(f->items[i].stream);
		free(f->items[i].text);
		free(f->items[i].advice);
	}
	free(f->items);
	*f = (struct findings){ 0 };
}

/* ---- for people */

/* For how many streams of a section a check ended alike, where nobody has to act. */
struct alike {
	const char *check;
	enum health health;
	size_t n;
};

enum { ALIKE_MAX = 64 };

static struct alike *alike_of(struct alike alikes[ALIKE_MAX], const struct finding *one)
{
	struct alike *a = alikes;

	if (one->health > HEALTH_UNKNOWN || !one->stream)
		return NULL;
	while (a->check && (a->check != one->check || a->health != one->health))
		a++;
	a->check = one->check;
	a->health = one->health;
	return a;
}

static void print_text(const char *text)
{
	struct buf line = { 0 };

	text_append_printable(&line, slice_of(text));
	printf("%.*s", (int)buf_len(&line), buf_data(&line));
	buf_done(&line);
}

static void print_finding(const struct finding *one, size_t n_more)
{
	enum style style = healths[one->health].style;

	printf("  %s%-7s%s  %-12s ", style_begin(style), healths[one->health].word,
	    style_end(style), one->check);
	if (one->stream) {
		fputs(style_begin(STYLE_NAME), stdout);
		print_text(one->stream);
		printf("%s: ", style_end(STYLE_NAME));
	}
	print_text(one->text);
	if (n_more)
		printf(" (and %zu more %s)", n_more, n_more == 1 ? "stream" : "streams");
	putchar('\n');
	if (!one->advice)
		return;
	printf("%24s-> ", "");
	print_text(one->advice);
	putchar('\n');
}

static void print_title(const char *section)
{
	printf("%s", style_begin(STYLE_BOLD));
	print_text(section);
	printf("%s\n", style_end(STYLE_BOLD));
}

/* Returns where the next section begins. */
static size_t print_section(const struct findings *f, size_t first)
{
	const char *section = f->items[first].section;
	struct alike alikes[ALIKE_MAX] = { 0 };
	size_t end = first;

	for (; end < f->len && strcmp(f->items[end].section, section) == 0; end++) {
		struct alike *a = alike_of(alikes, &f->items[end]);

		if (a)
			a->n++;
	}
	print_title(section);
	for (size_t i = first; i < end; i++) {
		struct alike *a = alike_of(alikes, &f->items[i]);

		if (!a || a->n)
			print_finding(&f->items[i], a ? a->n - 1 : 0);
		if (a)
			a->n = 0;
	}
	return end;
}

void findings_print(const struct findings *f)
{
	for (size_t i = 0; i < f->len;)
		i = print_section(f, i);
	printf("%zu %s, %zu %s, %zu could not be checked\n", f->n[HEALTH_ERROR],
	    f->n[HEALTH_ERROR] == 1 ? "error" : "errors", f->n[HEALTH_WARNING],
	    f->n[HEALTH_WARNING] == 1 ? "warning" : "warnings", f->n[HEALTH_UNKNOWN]);
}

/* ---- for programs */

static void write_finding(struct json *j, const struct finding *one)
{
	json_object_begin(j);
	json_pair_text(j, "section", one->section);
	json_pair_text(j, "check", one->check);
	json_pair_text(j, "stream", one->stream);
	json_pair_text(j, "health", healths[one->health].word);
	json_pair_text(j, "text", one->text);
	json_pair_text(j, "advice", one->advice);
	json_object_end(j);
}

void findings_print_json(const struct findings *f)
{
	struct buf document = { 0 };
	struct json j = { .to = &document };

	json_object_begin(&j);
	json_pair_u64(&j, "errors", f->n[HEALTH_ERROR]);
	json_pair_u64(&j, "warnings", f->n[HEALTH_WARNING]);
	json_pair_u64(&j, "unknown", f->n[HEALTH_UNKNOWN]);
	json_key(&j, "findings");
	json_array_begin(&j);
	for (size_t i = 0; i < f->len; i++)
		write_finding(&j, &f->items[i]);
	json_array_end(&j);
	json_object_end(&j);
	print_json(&document);
	buf_done(&document);
}
