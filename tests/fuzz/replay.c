/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over the files of its corpus, without libFuzzer: what was once found stays
 * found, with any compiler. A crash ends the program; the last name printed is the culprit.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_INPUT_BYTES = 1 << 20 };

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The input lies in memory of exactly its size, so that a sanitizer sees the first byte too far. */
static void replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *big = malloc(MAX_INPUT_BYTES), *data;
	size_t len;

	if (!file || !big) {
		perror(path);
		exit(1);
	}
	len = fread(big, 1, MAX_INPUT_BYTES, file);
	fclose(file);
	data = realloc(big, len ? len : 1);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
}

int main(int argc, char **argv)
{
	struct dirent **inputs;
	int n = argc == 2 ? scandir(argv[1], &inputs, is_input, alphasort) : -1;

	if (n <= 0) {
		fprintf(stderr, "usage: %s FOLDER, a folder with inputs in it\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", argv[1], inputs[i]->d_name);
		printf("%s\n", path);
		fflush(stdout);
		replay(path);
		free(inputs[i]);
	}
	free(inputs);
	return 0;
}
