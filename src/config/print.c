/* SPDX-License-Identifier: MIT */
/* The effective configuration. What comes out can be read back. */
#include "config/config.h"
#include "config/outline.h"
#include "config/yamltext.h"

static void print_option(struct outline *outline, const struct option *o, const void *section)
{
	struct buf value = { 0 };

	if (o->type->print(o, option_const_value(o, section), &value)) {
		buf_append_char(&value, '\0');
		outline_value(outline, o->path, buf_data(&value));
	} else if (o->fallback_note) {
		outline_comment(outline, o->path, o->fallback_note);
	}
	buf_done(&value);
}

static void print_section(struct buf *to, enum option_scope scope, unsigned depth,
    const void *section)
{
	struct outline outline = { .to = to, .depth = depth };

	for (size_t i = 0; i < n_options; i++) {
		if (options[i].scope == scope && !options[i].unsupported &&
		    option_applies(&options[i], section))
			print_option(&outline, &options[i], section);
	}
}

void config_print(const struct config *c, FILE *to)
{
	struct buf text = { 0 };

	buf_append_text(&text, "redis:\n");
	print_section(&text, SCOPE_REDIS, 1, &c->redis);
	buf_append_text(&text, "daemon:\n");
	print_section(&text, SCOPE_DAEMON, 1, &c->daemon);
	buf_append_text(&text, "consumers:\n");
	for (size_t i = 0; i < c->n_consumers; i++) {
		buf_append_text(&text, "  ");
		yamltext_string(&text, c->consumers[i].name);
		buf_append_text(&text, ":\n");
		print_section(&text, SCOPE_CONSUMER, 2, &c->consumers[i]);
	}
	fwrite(buf_data(&text), 1, buf_len(&text), to);
	buf_done(&text);
}
