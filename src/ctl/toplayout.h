/* SPDX-License-Identifier: MIT */
/* What `top` shows, as lines of a given width. Pure. */
#ifndef SLUICED_CTL_TOPLAYOUT_H
#define SLUICED_CTL_TOPLAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "ctl/page.h"
#include "ctl/topmodel.h"

/* What is shown beside the model. */
struct top_look {
	const char *away;    /* why there is no status now; NULL: there is one */
	const char *message; /* on the last line, instead of the keys; NULL */
	size_t first;        /* line of the list, or row of pending entries, that is shown first */
	const json_t *pending;     /* rows of `sluicectl pending`, of the chosen one; NULL */
	const char *pending_error; /* why there are none; NULL */
};

/* The list of consumers. look->first is moved so that the chosen one is seen. */
void top_layout_list(const struct top_model *m, struct top_look *look, struct page *page);

/* One consumer. look->first is bounded. */
void top_layout_consumer(const struct top_row *row, struct top_look *look, struct page *page);

void top_layout_help(struct page *page);

/* n values, the latest last, as a line of so many characters, the highest one full: each stands for
 * TOP_RATES / width of them, and what is not there yet is blank. */
void top_sparkline(struct buf *to, const double values[], size_t n, size_t width, bool is_utf8);

/* "389", "12.3k", "4.5M": five characters at most. */
void top_count(struct buf *to, uint64_t n);

/* "950ms", "1.4s", "12s", "5m", "3h": five characters at most. */
void top_duration(struct buf *to, uint64_t ms);

#endif
