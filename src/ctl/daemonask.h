/* SPDX-License-Identifier: MIT */
/* Commands to the daemon: finding it, asking it, and what its answers mean for whoever typed. */
#ifndef SLUICED_CTL_DAEMONASK_H
#define SLUICED_CTL_DAEMONASK_H

#include <jansson.h>

#include "ctl/ctl.h"
#include "ctl/daemonlink.h"

/* The daemon that the arguments mean; NULL after saying on standard error why there is none. */
struct daemonlink *daemon_find(struct ctl *c) MUST_CHECK;

/* Asks and waits. What came is looked at in daemonlink_answer(). DONE with status 200; else MISSING
 * (404) or FAILED, after saying so, each reason on a line. */
enum ctl_exit daemon_ask(struct daemonlink *l, const char *method, const char *path) MUST_CHECK;

/* The same where a document is answered, which the caller releases. */
enum ctl_exit daemon_ask_json(struct daemonlink *l, const char *method, const char *path,
    json_t **ret_document) MUST_CHECK;

/* "/v1/consumers/NAME/ACTION", the name escaped. The caller frees it. */
char *daemon_consumer_path(const char *name, const char *action) MUST_CHECK;

/* The body of an answer as a document; NULL where it is none. */
json_t *daemon_document(const struct daemon_answer *a) MUST_CHECK;

/* The object of the consumer in the daemon's status, borrowed; NULL. */
json_t *daemon_consumer(json_t *status, const char *name);

#endif
