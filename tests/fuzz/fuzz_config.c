/* SPDX-License-Identifier: MIT */
/* Any bytes as a configuration file: refused with a reason, or printed and read back. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PRINTED_MAX_BYTES = 256 * 1024 };

static char *print(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	config_print(c, to);
	fclose(to);
	return text;
}

static int load(struct slice text, struct config **ret_config)
{
	struct config_source from = { .path = "/fuzz.yaml" };
	struct diag diag;
	int err;

	diag_init(&diag, "fuzz.yaml");
	err = config_load_text(&from, text, &diag, ret_config);
	if ((err != 0) != (diag.n_errors > 0))
		abort();
	for (size_t i = 0; i < diag.n_messages; i++)
		free(diag_format(&diag, &diag.messages[i]));
	diag_done(&diag);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *first, *second;
	char *printed, *again;

	if (load((struct slice){ (const char *)data, size }, &first) != 0)
		return 0;
	printed = print(first);
	config_free(first);
	/* Expanded ranges may make it larger than a file may be. */
	if (strlen(printed) > PRINTED_MAX_BYTES) {
		free(printed);
		return 0;
	}
	if (load(slice_of(printed), &second) != 0)
		abort();
	again = print(second);
	config_free(second);
	if (strcmp(printed, again) != 0)
		abort();
	free(printed);
	free(again);
	return 0;
}
