/* SPDX-License-Identifier: MIT */
/* Members of a document from outside: what is not there, or has another type, is neutral. */
#ifndef SLUICED_CTL_JSONGET_H
#define SLUICED_CTL_JSONGET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* False, and nothing written, for null, or what is no number from 0 on. */
static inline bool get_u64(const json_t *object, const char *key, uint64_t *ret_value)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*ret_value = (uint64_t)json_integer_value(value);
	return true;
}

static inline uint64_t get_count(const json_t *object, const char *key)
{
	uint64_t value = 0;

	(void)get_u64(object, key, &value);
	return value;
}

static inline bool get_bool(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

/* Borrowed; "" where there is none. */
static inline const char *get_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

#endif
