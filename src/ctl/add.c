/* SPDX-License-Identifier: MIT */
#include "ctl/add.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "ctl/addlines.h"
#include "ctl/fields.h"
#include "ctl/output.h"

void add_command(const struct ctl *c, const struct target *t, const struct fields *f,
    struct buf *to)
{
	bool is_bounded = args_has(&c->args, OPTION_MAXLEN);

	command_open(to, 3 + (is_bounded ? 3 : 0) + 2 * (size_t)f->n_pairs);
	command_text(to, "XADD");
	command_text(to, t->stream);
	if (is_bounded) {
		command_text(to, "MAXLEN");
		command_text(to, "~");
		command_u64(to, args_number(&c->args, OPTION_MAXLEN, 0));
	}
	command_text(to, "*");
	for (size_t i = 0; i < 2 * (size_t)f->n_pairs; i++)
		command_slice(to, f->slices[i]);
}

static void print_id(const struct ctl *c, struct slice id)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };

	if (c->json) {
		json_object_begin(&j);
		json_pair_slice(&j, "id", id);
		json_object_end(&j);
		print_json(&text);
	} else {
		printf("%.*s\n", (int)id.len, id.data);
	}
	buf_done(&text);
}

static enum ctl_exit add_words(struct ctl *c, struct target *t)
{
	size_t n = c->args.n_words;
	struct slice *slices = xcalloc(n, sizeof(*slices));
	struct fields f = { .n_pairs = (uint32_t)(n / 2), .slices = slices };
	const struct reply *r;

	for (size_t i = 0; i < n; i++)
		slices[i] = slice_of(c->args.words[i]);
	buf_clear(&t->place.command);
	add_command(c, t, &f, &t->place.command);
	free(slices);
	r = ask_well(&t->place);
	if (!r)
		return CTL_FAILED;
	print_id(c, reply_text(r));
	return CTL_DONE;
}

/* Words that are neither pairs nor a file: NULL if all is well. */
static const char *misuse(const struct args *a)
{
	if (args_has(a, OPTION_NDJSON))
		return a->n_words
		           ? "fields come from the file or from the command line, not from both"
		           : NULL;
	if (!a->n_words)
		return "what is to be added? FIELD VALUE..., or --ndjson FILE";
	return a->n_words % 2 ? "the last field has no value" : NULL;
}

enum ctl_exit add_run(struct ctl *c)
{
	const char *path = args_text(&c->args, OPTION_NDJSON), *why = misuse(&c->args);
	struct targets targets;
	enum ctl_exit status;

	if (why) {
		complain("%s", why);
		return CTL_USAGE;
	}
	status = target_open_one(c, &targets);
	if (status != CTL_DONE)
		return status;
	status = path ? add_lines(c, &targets.items[0], path) : add_words(c, &targets.items[0]);
	targets_done(&targets);
	return status;
}
