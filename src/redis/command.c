/* SPDX-License-Identifier: MIT */
#include "redis/command.h"

#include <stdarg.h>

#include "base/digits.h"

static void length_line(struct buf *to, char type, size_t n)
{
	char *out = buf_reserve(to, 1 + DIGITS_MAX + 2), *p = out;

	*p++ = type;
	p += digits_put(p, n);
	*p++ = '\r';
	*p++ = '\n';
	buf_added(to, (size_t)(p - out));
}

void command_open(struct buf *to, size_t n_args)
{
	length_line(to, '*', n_args);
}

void command_slice(struct buf *to, struct slice arg)
{
	length_line(to, '$', arg.len);
	buf_append(to, arg.data, arg.len);
	buf_append(to, "\r\n", 2);
}

void command_text(struct buf *to, const char *arg)
{
	command_slice(to, slice_of(arg));
}

void command_u64(struct buf *to, uint64_t arg)
{
	char digits[DIGITS_MAX];

	command_slice(to, (struct slice){ digits, digits_put(digits, arg) });
}

/* Acknowledgements are made of these: written without an intermediate slice. */
void command_id(struct buf *to, struct entryid id)
{
	enum { HEADER = 5 }; /* "$NN\r\n" */
	char *start = buf_reserve(to, HEADER + ENTRYID_TEXT_SIZE + 2);
	char *text = start + HEADER;
	size_t len = entryid_format(id, text);

	if (len < 10) { /* "$N\r\n" is a byte shorter */
		command_slice(to, (struct slice){ entryid_text(id).text, len });
		return;
	}
	start[0] = '$';
	start[1] = (char)('0' + len / 10);
	start[2] = (char)('0' + len % 10);
	start[3] = '\r';
	start[4] = '\n';
	text[len] = '\r';
	text[len + 1] = '\n';
	buf_added(to, HEADER + len + 2);
}

void command_words(struct buf *to, const char *first, ...)
{
	size_t n = 0;
	va_list args;

	va_start(args, first);
	for (const char *w = first; w; w = va_arg(args, const char *))
		n++;
	va_end(args);
	command_open(to, n);
	va_start(args, first);
	for (const char *w = first; w; w = va_arg(args, const char *))
		command_text(to, w);
	va_end(args);
}
