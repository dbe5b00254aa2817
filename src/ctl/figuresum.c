/* SPDX-License-Identifier: MIT */
#include "ctl/figuresum.h"

#include <string.h>

#include "ctl/jsonget.h"

struct figure_sum figure_sum_of(const json_t *consumer, const char *key)
{
	struct figure_sum sum = { .is_known = true };
	const json_t *stream;
	size_t i;

	json_array_foreach(json_object_get(consumer, "streams"), i, stream)
	{
		uint64_t value = 0;

		sum.is_known &= get_u64(stream, key, &value);
		sum.value += value;
	}
	return sum;
}

/* An earlier stream of the list has the same one. */
static bool is_shared(const json_t *streams, size_t n, const char *dead_letters)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(get_text(json_array_get(streams, i), "dead_letter_stream"),
		        dead_letters) == 0)
			return true;
	}
	return false;
}

struct figure_sum figure_dead_letters(const json_t *consumer)
{
	const json_t *streams = json_object_get(consumer, "streams"), *stream;
	struct figure_sum sum = { .is_known = true };
	size_t i;

	json_array_foreach(streams, i, stream)
	{
		const char *name = get_text(stream, "dead_letter_stream");
		uint64_t value = 0;

		if (!*name || is_shared(streams, i, name))
			continue;
		sum.is_known &= get_u64(stream, "dead_letter_length", &value);
		sum.value += value;
	}
	return sum;
}

struct figure_sum figure_oldest_pending_ms(const json_t *consumer)
{
	struct figure_sum oldest = { 0 };
	const json_t *stream;
	size_t i;

	json_array_foreach(json_object_get(consumer, "streams"), i, stream)
	{
		uint64_t value;

		if (!get_u64(stream, "oldest_pending_ms", &value))
			continue;
		oldest.is_known = true;
		if (value > oldest.value)
			oldest.value = value;
	}
	return oldest;
}

/* Redis tells the length of every stream that it can be asked about. */
static bool is_awaited(const json_t *stream)
{
	uint64_t length;

	return get_bool(json_object_get(stream, "connected"), "command") &&
	       !get_u64(stream, "length", &length);
}

bool figures_are_here(const json_t *status)
{
	const json_t *consumer, *stream;
	size_t i, k;

	json_array_foreach(json_object_get(status, "consumers"), i, consumer)
	{
		json_array_foreach(json_object_get(consumer, "streams"), k, stream)
		{
			if (is_awaited(stream))
				return false;
		}
	}
	return true;
}
