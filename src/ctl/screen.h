/* SPDX-License-Identifier: MIT */
/* The terminal, as a page of lines and a keyboard; the only place of ncurses. */
#ifndef SLUICED_CTL_SCREEN_H
#define SLUICED_CTL_SCREEN_H

#include <stdbool.h>

#include "base/compiler.h"
#include "ctl/page.h"

/* Plain characters are themselves. */
enum screen_key {
	SCREEN_NONE = 0, /* no key has been pressed */
	SCREEN_ENTER = '\r',
	SCREEN_ESCAPE = 27,
	SCREEN_UP = 0x100,
	SCREEN_DOWN,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
	SCREEN_RESIZED,
	SCREEN_GONE, /* the terminal is not there any more */
	SCREEN_OTHER,
};

/* 0, or -ENOTTY without a terminal that can be drawn on. */
int screen_open(void) MUST_CHECK;
void screen_close(void);

/* An empty page of the terminal's size. */
void screen_page(struct page *ret_page);
void screen_show(const struct page *page);

/* Waits for nothing: standard input is readable when there is a key. */
int screen_key(void);

#endif
