/* SPDX-License-Identifier: MIT */
/*
 * All consumers of the daemon: those at work, after a reload those that leave, and those that wait
 * until another one of their identity has left.
 */
#ifndef SLUICED_DAEMON_ROSTER_H
#define SLUICED_DAEMON_ROSTER_H

#include "daemon/site.h"

enum member_state { MEMBER_WAITING, MEMBER_WORKING, MEMBER_LEAVING };

struct member {
	struct list_node node;
	struct roster *roster;
	enum member_state state;
	struct site *site;
	struct config *config;
	const struct consumer_settings *settings;
	struct consumer *consumer; /* NULL while it waits */
	ev_timer patience;         /* MEMBER_LEAVING: until its runs are ended, and then it */
	bool runs_ended, given_up;
};

struct roster {
	struct loop *loop;
	void *owner;
	/* After roster_close(): no run is left; nobody is there any more. */
	void (*on_runs_over)(void *owner);
	void (*on_empty)(void *owner);
	struct list members;
	struct list sites;
	struct deferred settle;
	bool closing;
};

/* loop, owner and the callbacks are set by the caller. */
void roster_init(struct roster *r);

/* Frees everything at once: what is still held stays pending in Redis. */
void roster_done(struct roster *r);

/* A new site, which is the roster's from now on. Those before it go with their last consumer. */
void roster_add_site(struct roster *r, struct site *s);

/* A consumer that starts now, or as soon as the ones that leave make way for it. */
void roster_add(struct roster *r, struct site *site, struct config *config,
    const struct consumer_settings *settings);

/* The site for new consumers. */
struct site *roster_site(const struct roster *r);

/* Gives a consumer other settings of the same identity (config/difference.h). */
void roster_change(struct member *m, struct config *config,
    const struct consumer_settings *settings);

/* Drains it. Its runs are ended after patience_ms, and if Redis is not there to be told of them,
 * what they were about stays pending. */
void roster_dismiss(struct member *m, uint64_t patience_ms);

/* The one of this name that works or will; NULL: none. */
struct member *roster_find(const struct roster *r, const char *name);

/* The consumers that are there, those that leave included, one after the other: after NULL the
 * first, and NULL behind the last. */
struct member *roster_next(const struct roster *r, const struct member *after);

/* Something has drained; also what a site's consumers call. */
void roster_on_drained(void *roster);
void roster_on_runs_over(void *roster);

/* Drains all, with all the time they need. on_runs_over and on_empty follow. */
void roster_close(struct roster *r);

/* Ends the runs that are left. */
void roster_end_runs(struct roster *r);

bool roster_runs_are_over(const struct roster *r);

#endif
