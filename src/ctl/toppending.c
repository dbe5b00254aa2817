/* SPDX-License-Identifier: MIT */
#include "ctl/toppending.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { EACH_MS = 3000 };
#define ROWS_AT_MOST "200"

void toppending_init(struct toppending *p, struct ctl *ctl)
{
	*p = (struct toppending){ .ctl = ctl };
}

static void forget(struct toppending *p)
{
	json_decref(p->rows);
	p->rows = NULL;
	free(p->error);
	p->error = NULL;
}

void toppending_done(struct toppending *p)
{
	forget(p);
	free(p->name);
	childread_done(&p->child);
}

void toppending_look_at(struct toppending *p, const char *name)
{
	forget(p);
	childread_done(&p->child);
	p->child = (struct childread){ 0 };
	free(p->name);
	p->name = name ? xstrdup(name) : NULL;
	p->next_at_ms = 0;
}

/* The same configuration, or the one that is found without a word. */
static int start(struct toppending *p)
{
	const struct args *args = &p->ctl->args;
	char *argv[16];
	const char *words[16] = { "sluicectl", "pending", "--json", "--count", ROWS_AT_MOST };
	size_t n = 5;

	if (args_has(args, OPTION_CONFIG)) {
		words[n++] = "--config";
		words[n++] = args_text(args, OPTION_CONFIG);
	}
	if (args_has(args, OPTION_INSTANCE)) {
		words[n++] = "--instance";
		words[n++] = args_text(args, OPTION_INSTANCE);
	}
	words[n++] = "--";
	words[n++] = p->name;
	/* posix_spawn() changes none of them, and has no const for historical reasons. */
	memcpy(argv, words, sizeof(argv));
	return childread_start(&p->child, argv);
}

/* An object a line; one that is cut off by the bound is left out. */
static json_t *rows_of(const struct buf *text)
{
	json_t *rows = json_array();
	const char *at = buf_data(text), *end;
	size_t left = buf_len(text);

	for (; left && (end = memchr(at, '\n', left)); at = end + 1) {
		size_t len = (size_t)(end - at);
		json_t *row = json_loadb(at, len, 0, NULL);

		if (row)
			json_array_append_new(rows, row);
		left -= len + 1;
	}
	return rows;
}

/* The first line of what it said, without the program's name. */
static char *first_line(const struct buf *errors)
{
	static const char prefix[] = "sluicectl: ";
	char *text = xstrndup(buf_len(errors) ? buf_data(errors) : "", buf_len(errors)), *line;
	size_t skip = strncmp(text, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;

	line = xstrndup(text + skip, strcspn(text + skip, "\n"));
	free(text);
	return line;
}

static void take(struct toppending *p)
{
	int status;

	if (!childread_take(&p->child, &status))
		return;
	forget(p);
	if (status == CTL_DONE)
		p->rows = rows_of(&p->child.text);
	else
		p->error = first_line(&p->child.errors);
}

void toppending_step(struct toppending *p, uint64_t now_ms)
{
	int r;

	if (p->child.pid)
		take(p);
	if (!p->name || p->child.pid || now_ms < p->next_at_ms)
		return;
	p->next_at_ms = now_ms + EACH_MS;
	r = start(p);
	if (r) {
		forget(p);
		p->error = xstrdup(strerror(-r));
	}
}
