/* SPDX-License-Identifier: MIT */
#include "config/outline.h"

#include <string.h>

static unsigned count_dots(const char *path)
{
	unsigned n = 0;

	for (; *path; path++)
		n += *path == '.';
	return n;
}

static void begin_line(struct outline *outline, unsigned depth)
{
	if (outline->margin)
		buf_append_text(outline->to, outline->margin);
	for (unsigned i = 0; i < depth; i++)
		buf_append_text(outline->to, "  ");
}

/* Is the mapping that ends at `dot` the one that the last path ran through? */
static bool is_open(const struct outline *outline, const char *path, const char *dot)
{
	return outline->last && strncmp(outline->last, path, (size_t)(dot - path) + 1) == 0;
}

void outline_open(struct outline *outline, const char *path)
{
	const char *name = path;
	unsigned depth = outline->depth;

	for (const char *dot = strchr(path, '.'); dot; dot = strchr(name, '.'), depth++) {
		if (!is_open(outline, path, dot)) {
			begin_line(outline, depth);
			buf_printf(outline->to, "%.*s:\n", (int)(dot - name), name);
		}
		name = dot + 1;
	}
	outline->last = path;
}

void outline_indent(struct outline *outline, const char *path)
{
	begin_line(outline, outline->depth + count_dots(path));
}

static const char *last_name(const char *path)
{
	const char *dot = strrchr(path, '.');

	return dot ? dot + 1 : path;
}

void outline_value(struct outline *outline, const char *path, const char *value)
{
	outline_open(outline, path);
	outline_indent(outline, path);
	buf_printf(outline->to, "%s: %s\n", last_name(path), value);
}

void outline_comment(struct outline *outline, const char *path, const char *value)
{
	begin_line(outline, outline->depth);
	buf_printf(outline->to, "# %s: %s\n", path, value);
}
