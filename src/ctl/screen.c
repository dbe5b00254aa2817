/* SPDX-License-Identifier: MIT */
#include "ctl/screen.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	SCREEN *terminal;
	bool has_colour;
} screen;

static short colour_of(enum style style)
{
	switch (style) {
	case STYLE_GOOD:
		return COLOR_GREEN;
	case STYLE_WARN:
		return COLOR_YELLOW;
	case STYLE_BAD:
		return COLOR_RED;
	case STYLE_NAME:
		return COLOR_CYAN;
	case STYLE_PLAIN:
	case STYLE_BOLD:
	case STYLE_DIM:
		break;
	}
	return -1;
}

static void set_colours(void)
{
	const char *none = getenv("NO_COLOR");

	screen.has_colour =
	    has_colors() && !(none && *none) && start_color() == OK && use_default_colors() == OK;
	for (short style = STYLE_PLAIN; screen.has_colour && style <= STYLE_NAME; style++)
		init_pair((short)(style + 1), colour_of((enum style)style), -1);
}

int screen_open(void)
{
	setlocale(LC_CTYPE, "");
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return -ENOTTY;
	screen.terminal = newterm(NULL, stdout, stdin);
	if (!screen.terminal)
		return -ENOTTY;
	set_escdelay(50); /* a lone Esc; the bytes of an arrow come together */
	cbreak();
	noecho();
	nonl(); /* Enter is \r */
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	set_colours();
	return 0;
}

void screen_close(void)
{
	if (!screen.terminal)
		return;
	endwin();
	delscreen(screen.terminal);
	screen.terminal = NULL;
}

void screen_page(struct page *ret_page)
{
	int rows, columns;

	getmaxyx(stdscr, rows, columns);
	*ret_page = (struct page){
		.n_rows = (size_t)rows,
		.n_columns = (size_t)columns,
		.is_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	};
}

/* Without colours what is bad is bold. */
static attr_t attributes_of(const struct page_line *line)
{
	attr_t a = line->is_chosen ? A_REVERSE : A_NORMAL;

	if (line->style == STYLE_BOLD || (line->style == STYLE_BAD && !screen.has_colour))
		a |= A_BOLD;
	if (line->style == STYLE_DIM)
		a |= A_DIM;
	return screen.has_colour ? a | COLOR_PAIR(line->style + 1) : a;
}

static void show_line(int y, const struct page_line *line, int n_columns)
{
	int x, y_after;

	attrset(attributes_of(line));
	mvaddstr(y, 0, line->text);
	/* The bar of what is chosen goes on to the edge. */
	getyx(stdscr, y_after, x);
	if (line->is_chosen && y_after == y && x < n_columns)
		hline(' ' | attributes_of(line), n_columns - x);
	attrset(A_NORMAL);
}

void screen_show(const struct page *page)
{
	erase();
	for (size_t i = 0; i < page->len && i < page->n_rows; i++)
		show_line((int)i, &page->lines[i], (int)page->n_columns);
	refresh();
}

/* ncurses says no more than that there is no key. */
static bool is_gone(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&input, 1, 0) > 0 && input.revents & (POLLHUP | POLLERR | POLLNVAL);
}

int screen_key(void)
{
	static const struct {
		int code, key;
	} keys[] = {
		{ KEY_UP, SCREEN_UP },
		{ KEY_DOWN, SCREEN_DOWN },
		{ KEY_PPAGE, SCREEN_PAGE_UP },
		{ KEY_NPAGE, SCREEN_PAGE_DOWN },
		{ KEY_HOME, SCREEN_HOME },
		{ KEY_END, SCREEN_END },
		{ KEY_ENTER, SCREEN_ENTER },
		{ '\n', SCREEN_ENTER },
		{ KEY_RESIZE, SCREEN_RESIZED },
	};
	int code = getch();

	if (code == ERR)
		return is_gone() ? SCREEN_GONE : SCREEN_NONE;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (keys[i].code == code)
			return keys[i].key;
	}
	return code < 0x100 ? code : SCREEN_OTHER;
}
