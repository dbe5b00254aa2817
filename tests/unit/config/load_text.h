/* SPDX-License-Identifier: MIT */
/* What the tests of the configuration share: load a text, look at all messages at once. */
#ifndef SLUICED_TESTS_CONFIG_LOAD_TEXT_H
#define SLUICED_TESTS_CONFIG_LOAD_TEXT_H

#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"

/* A consumer that is complete, so that a test adds only what it is about. */
#define CONSUMER "consumers:\n  a: {stream: s, group: g, handler: {command: [/bin/sh]}}\n"

static inline char *messages_of(const struct diag *diag)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	diag_print(diag, to);
	fclose(to);
	return text;
}

/* Returns the configuration, or NULL; *ret_messages is freed by the caller. */
static inline struct config *load_bytes(struct slice text, const char *instance,
    char **ret_messages)
{
	struct config_source from = { .path = "/etc/f.yaml", .instance = instance };
	struct config *config = NULL;
	struct diag diag;
	int err;

	diag_init(&diag, "f.yaml");
	err = config_load_text(&from, text, &diag, &config);
	if (err)
		config = NULL;
	*ret_messages = messages_of(&diag);
	diag_done(&diag);
	return config;
}

/* For a text that must load without a word. */
static inline struct config *load_good(const char *text)
{
	char *messages;
	struct config *config = load_bytes(slice_of(text), NULL, &messages);

	if (!config || *messages) {
		fprintf(stderr, "%s\n%s", text, messages);
		abort();
	}
	free(messages);
	return config;
}

#endif
