/* SPDX-License-Identifier: MIT */
/*
 * The shell around ctl/topmodel.h: asks the daemon once a second, waits for its answer and for keys
 * at the same time, and draws. A daemon that goes away is shown, and asked again.
 */
#include "ctl/top.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/daemonask.h"
#include "ctl/interrupt.h"
#include "ctl/jsonget.h"
#include "ctl/screen.h"
#include "ctl/toplayout.h"
#include "ctl/toppending.h"

enum {
	EACH_MS = 1000,
	ANSWER_MS = 3000,
	MESSAGE_MS = 5000,
	SLICE_MS = 250, /* the longest wait: a signal need not end it */
	PAGE = 10,
};

struct top {
	struct ctl *ctl;
	struct daemonlink *link;
	struct top_model model;
	struct toppending pending;
	enum { SHOWS_LIST, SHOWS_CONSUMER, SHOWS_HELP } shows, shows_behind_help;
	size_t list_first, consumer_first;
	uint64_t next_at_ms, message_until_ms;
	char *away, *message;
	char *wanted;    /* what a key has asked for: the path of a POST */
	char *wanted_of; /* and the consumer that it is about */
	bool is_acting;  /* the request under way is such a POST */
	bool is_over;
};

static void say(struct top *t, char *message)
{
	free(t->message);
	t->message = message;
	t->message_until_ms = clock_mono_ms() + MESSAGE_MS;
}

/* ---- the daemon */

static void take_status(struct top *t, const struct daemon_answer *a)
{
	json_t *status = a->status == 200 ? daemon_document(a) : NULL;

	free(t->away);
	t->away = NULL;
	if (status)
		top_model_take(&t->model, status, clock_mono_ms());
	else if (a->status)
		t->away = xasprintf("no status: HTTP status %u", a->status);
	else
		t->away = xstrdup(buf_data(&a->why));
	json_decref(status);
}

static void take_action(struct top *t, const struct daemon_answer *a)
{
	json_t *document = daemon_document(a);

	if (a->status == 200)
		say(t, xasprintf("%s %s", t->wanted_of,
		           get_bool(document, "paused") ? "is paused" : "goes on"));
	else
		say(t, xstrdup(a->status ? get_text(document, "error") : buf_data(&a->why)));
	json_decref(document);
	t->next_at_ms = 0; /* to see what has come of it */
}

static void begin(struct top *t, uint64_t now_ms)
{
	t->is_acting = t->wanted;
	if (t->wanted) {
		daemonlink_begin(t->link, "POST", t->wanted, ANSWER_MS);
		free(t->wanted);
		t->wanted = NULL;
	} else if (now_ms >= t->next_at_ms) {
		t->next_at_ms = now_ms + EACH_MS;
		daemonlink_begin(t->link, "GET", "/v1/status", ANSWER_MS);
	}
}

static void step_link(struct top *t, uint64_t now_ms)
{
	const int fds[] = { STDIN_FILENO, t->pending.child.pid ? t->pending.child.out : -1 };
	uint64_t until_ms;
	bool was_busy;

	if (!daemonlink_is_busy(t->link))
		begin(t, now_ms);
	was_busy = daemonlink_is_busy(t->link);
	until_ms = t->next_at_ms > now_ms ? t->next_at_ms - now_ms : 0;
	daemonlink_wait(t->link, fds, ARRAY_LEN(fds),
	    was_busy || until_ms > SLICE_MS ? SLICE_MS : until_ms);
	if (!was_busy || daemonlink_is_busy(t->link))
		return;
	if (t->is_acting)
		take_action(t, daemonlink_answer(t->link));
	else
		take_status(t, daemonlink_answer(t->link));
}

/* ---- what is shown */

static const struct top_row *chosen_row(const struct top *t)
{
	size_t i = top_model_chosen(&t->model);

	return i < t->model.n_rows ? t->model.rows[i] : NULL;
}

static void lay_out(struct top *t, struct page *page)
{
	const struct top_row *row = chosen_row(t);
	struct top_look look = {
		.away = t->away,
		.message = t->message,
		.first = t->shows == SHOWS_LIST ? t->list_first : t->consumer_first,
		.pending = t->pending.rows,
		.pending_error = t->pending.error,
	};

	if (t->shows == SHOWS_HELP) {
		top_layout_help(page);
	} else if (t->shows == SHOWS_CONSUMER && row) {
		top_layout_consumer(row, &look, page);
		t->consumer_first = look.first;
	} else {
		top_layout_list(&t->model, &look, page);
		t->list_first = look.first;
	}
}

static void draw(struct top *t, uint64_t now_ms)
{
	struct page page;

	if (t->message && now_ms >= t->message_until_ms) {
		free(t->message);
		t->message = NULL;
	}
	screen_page(&page);
	lay_out(t, &page);
	screen_show(&page);
	page_done(&page);
}

/* ---- keys */

static void want(struct top *t, const char *action)
{
	const struct top_row *row = chosen_row(t);

	if (!row)
		return;
	free(t->wanted);
	free(t->wanted_of);
	t->wanted = daemon_consumer_path(row->name, action);
	t->wanted_of = xstrdup(row->name);
}

static void open_consumer(struct top *t)
{
	const struct top_row *row = chosen_row(t);

	if (!row || t->shows == SHOWS_CONSUMER)
		return;
	t->shows = SHOWS_CONSUMER;
	t->consumer_first = 0;
	toppending_look_at(&t->pending, row->name);
}

static void leave(struct top *t)
{
	if (t->shows == SHOWS_LIST) {
		t->is_over = true;
		return;
	}
	t->shows = SHOWS_LIST;
	toppending_look_at(&t->pending, NULL);
}

static void move(struct top *t, int by)
{
	if (t->shows == SHOWS_LIST)
		top_model_move(&t->model, by);
	else if (by < 0 && t->consumer_first < (size_t)-by)
		t->consumer_first = 0;
	else
		t->consumer_first += (size_t)by; /* the layout knows where the end is */
}

static void sort_next(struct top *t)
{
	top_model_sort(&t->model, (enum top_sort)((t->model.sort + 1) % TOP_SORTS));
}

static void take_moving_key(struct top *t, int key)
{
	static const struct {
		int key, by;
	} moves[] = {
		{ SCREEN_UP, -1 },
		{ 'k', -1 },
		{ SCREEN_DOWN, 1 },
		{ 'j', 1 },
		{ SCREEN_PAGE_UP, -PAGE },
		{ SCREEN_PAGE_DOWN, PAGE },
		{ SCREEN_HOME, -100000 },
		{ 'g', -100000 },
		{ SCREEN_END, 100000 },
		{ 'G', 100000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		if (moves[i].key == key) {
			move(t, moves[i].by);
			return;
		}
	}
}

static void take_key(struct top *t, int key)
{
	if (key == SCREEN_GONE) {
		t->is_over = true;
	} else if (t->shows == SHOWS_HELP) {
		t->shows = key == SCREEN_RESIZED ? SHOWS_HELP : t->shows_behind_help;
	} else if (key == 'q' || key == SCREEN_ESCAPE) {
		leave(t);
	} else if (key == '?') {
		t->shows_behind_help = t->shows;
		t->shows = SHOWS_HELP;
	} else if (key == SCREEN_ENTER) {
		open_consumer(t);
	} else if (key == 'p') {
		want(t, "pause");
	} else if (key == 'r') {
		want(t, "resume");
	} else if (key == 's' && t->shows == SHOWS_LIST) {
		sort_next(t);
	} else {
		take_moving_key(t, key);
	}
}

static void take_keys(struct top *t)
{
	int key;

	while (!t->is_over && (key = screen_key()) != SCREEN_NONE)
		take_key(t, key);
}

/* ---- life */

static void run(struct top *t)
{
	while (!t->is_over && !interrupted()) {
		uint64_t now_ms = clock_mono_ms();

		toppending_step(&t->pending, now_ms);
		draw(t, now_ms);
		step_link(t, now_ms);
		take_keys(t);
	}
}

static enum ctl_exit show(struct ctl *c, struct daemonlink *l)
{
	struct top t = { .ctl = c, .link = l };

	if (screen_open()) {
		complain("top needs a terminal; 'sluicectl status' tells the same once");
		return CTL_FAILED;
	}
	interrupt_catch();
	top_model_init(&t.model);
	toppending_init(&t.pending, c);
	run(&t);
	screen_close();
	toppending_done(&t.pending);
	top_model_done(&t.model);
	free(t.away);
	free(t.message);
	free(t.wanted);
	free(t.wanted_of);
	return CTL_DONE;
}

enum ctl_exit top_run(struct ctl *c)
{
	struct daemonlink *l;
	enum ctl_exit status = CTL_FAILED;

	if (c->json) {
		complain(
		    "top is for a terminal; 'sluicectl status --json' has the figures as JSON");
		return CTL_USAGE;
	}
	l = daemon_find(c);
	/* One that is not there at all is told at once. */
	if (l)
		status = daemon_ask(l, "GET", "/healthz");
	if (status == CTL_DONE)
		status = show(c, l);
	daemonlink_free(l);
	return status;
}
