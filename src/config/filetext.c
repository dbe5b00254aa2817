/* SPDX-License-Identifier: MIT */
/* libyaml gives no line for a byte that it cannot decode, only its offset, and has four messages
 * for a tab at the beginning of a line. */
#include "config/filetext.h"

struct diag_place filetext_place(struct slice text, size_t offset)
{
	struct diag_place at = { 1, 1 };

	for (size_t i = 0; i < offset && i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];
		bool before_newline = i + 1 < text.len && text.data[i + 1] == '\n';

		if (c == '\n' || (c == '\r' && !before_newline))
			at = (struct diag_place){ at.line + 1, 1 };
		else if ((c & 0xc0) != 0x80)
			at.column++;
	}
	return at;
}

bool filetext_tab_indents(struct slice text, size_t line)
{
	const char *p = text.data, *end = text.data + text.len;

	for (; line && p < end; line--) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		p = newline ? newline + 1 : end;
	}
	while (p < end && *p == ' ')
		p++;
	return p < end && *p == '\t';
}
