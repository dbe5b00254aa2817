/* SPDX-License-Identifier: MIT */
/*
 * A Redis entry is an ordered list of pairs of any bytes, names not necessarily different. A JSON
 * object holds it as long as names are UTF-8; a name that occurs again has its values gathered in
 * an array at its first place. Everything but the usual case is kept off the hot path.
 */
#include "handler/fieldsjson.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"

static struct slice name_of(const struct fields *f, size_t i)
{
	return f->slices[2 * i];
}

static struct slice value_of(const struct fields *f, size_t i)
{
	return f->slices[2 * i + 1];
}

/* The put_ functions write to where there is room for the longest form of all fields, and return
 * the end of what they wrote. */

static char *put(char *out, struct slice text)
{
	memcpy(out, text.data, text.len);
	return out + text.len;
}

static const char base64_before[] = "{\"base64\":\"", base64_behind[] = "\"}";

static char *put_base64(char *out, struct slice s)
{
	out = put(out, slice_of(base64_before));
	out = text_put_base64(out, s);
	return put(out, slice_of(base64_behind));
}

static char *put_bytes(char *out, struct slice s)
{
	char *end = json_put_string(out, s);

	return end ? end : put_base64(out, s);
}

/* --- are there equal names? ------------------------------------------------------------------- */

/* Up to here marks are compared pair by pair; longer lists are sorted, so that no choice of names
 * makes it quadratic. */
enum { COMPARE_PAIRWISE = 64 };

static uint64_t load(const char *from, size_t len)
{
	uint64_t bytes = 0;

	memcpy(&bytes, from, len);
	return bytes;
}

/* Equal names have equal marks; different ones hardly ever. */
static uint64_t mark_of(struct slice name)
{
	const char *p = name.data;
	size_t len = name.len;
	uint64_t mark = len;

	if (len >= 8)
		mark ^= load(p, 8) * 0x9e3779b97f4a7c15U ^ load(p + len - 8, 8) << 1;
	else if (len >= 4)
		mark ^= load(p, 4) << 32 ^ load(p + len - 4, 4) << 4;
	else if (len)
		mark ^= load(p, 1) << 40 ^ load(p + len / 2, 1) << 24 ^ load(p + len - 1, 1) << 8;
	return mark;
}

static bool few_have_equals(const struct fields *f)
{
	uint64_t marks[COMPARE_PAIRWISE];

	for (size_t i = 0; i < f->n_pairs; i++) {
		marks[i] = mark_of(name_of(f, i));
		for (size_t j = 0; j < i; j++) {
			if (marks[i] == marks[j] && slice_equal(name_of(f, i), name_of(f, j)))
				return true;
		}
	}
	return false;
}

struct place {
	struct slice name;
	size_t index;
};

static int compare_names(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len ? memcmp(a.data, b.data, a.len) : 0;
}

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int order = compare_names(x->name, y->name);

	if (order)
		return order;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* All pairs by name, equal names in the order of the entry. The caller frees it. */
static struct place *sorted_places(const struct fields *f)
{
	struct place *places = xmalloc(f->n_pairs * sizeof(*places));

	for (size_t i = 0; i < f->n_pairs; i++)
		places[i] = (struct place){ .name = name_of(f, i), .index = i };
	qsort(places, f->n_pairs, sizeof(*places), compare_places);
	return places;
}

static bool many_have_equals(const struct fields *f)
{
	struct place *places = sorted_places(f);
	bool found = false;

	for (size_t i = 1; i < f->n_pairs && !found; i++)
		found = slice_equal(places[i - 1].name, places[i].name);
	free(places);
	return found;
}

static bool has_equal_names(const struct fields *f)
{
	return f->n_pairs <= COMPARE_PAIRWISE ? few_have_equals(f) : many_have_equals(f);
}

/* --- the forms -------------------------------------------------------------------------------- */

/* NULL when a name is not UTF-8. */
static char *put_object(char *out, const struct fields *f)
{
	for (size_t i = 0; i < f->n_pairs; i++) {
		if (i)
			*out++ = ',';
		out = json_put_string(out, name_of(f, i));
		if (!out)
			return NULL;
		*out++ = ':';
		out = put_bytes(out, value_of(f, i));
	}
	return out;
}

/* For each pair: the next pair of the same name, and whether it is the first of its name. */
struct chain {
	size_t next; /* index of a pair; 0 for none, because the first pair follows no other */
	bool first;
};

static struct chain *chains_of(const struct fields *f)
{
	struct place *places = sorted_places(f);
	struct chain *chains = xcalloc(f->n_pairs, sizeof(*chains));

	for (size_t i = 0; i < f->n_pairs; i++) {
		if (i && slice_equal(places[i - 1].name, places[i].name))
			chains[places[i - 1].index].next = places[i].index;
		else
			chains[places[i].index].first = true;
	}
	free(places);
	return chains;
}

static char *put_values(char *out, const struct fields *f, const struct chain *chains, size_t first)
{
	if (!chains[first].next)
		return put_bytes(out, value_of(f, first));
	*out++ = '[';
	out = put_bytes(out, value_of(f, first));
	for (size_t i = chains[first].next; i; i = chains[i].next) {
		*out++ = ',';
		out = put_bytes(out, value_of(f, i));
	}
	*out++ = ']';
	return out;
}

/* Equal names share a place. NULL when a name is not UTF-8. */
static char *put_gathered(char *out, const struct fields *f)
{
	struct chain *chains = chains_of(f);

	for (size_t i = 0; i < f->n_pairs; i++) {
		if (!chains[i].first)
			continue;
		if (i)
			*out++ = ',';
		out = json_put_string(out, name_of(f, i));
		if (!out)
			break;
		*out++ = ':';
		out = put_values(out, f, chains, i);
	}
	free(chains);
	return out;
}

static char *put_pairs(char *out, const struct fields *f)
{
	for (size_t i = 0; i < f->n_pairs; i++) {
		out = put(out, slice_of(i ? ",[" : "["));
		out = put_bytes(out, name_of(f, i));
		*out++ = ',';
		out = put_bytes(out, value_of(f, i));
		*out++ = ']';
	}
	return out;
}

static const char object_key[] = ",\"fields\":{", pairs_key[] = ",\"pairs\":[";

/* Of any form: base64 takes less than escapes, but for its frame. */
static size_t longest_form(const struct fields *f)
{
	enum {
		FRAME = sizeof(base64_before) + sizeof(base64_behind),
		PUNCTUATION = sizeof(",[,]"),
	};

	return sizeof(object_key) + sizeof("}") + 6 * fields_bytes(f) +
	       f->n_pairs * (size_t)(2 * FRAME + PUNCTUATION);
}

void fieldsjson_append(struct buf *to, const struct fields *f)
{
	size_t room = longest_form(f);
	char *start = buf_reserve(to, room), *inside = put(start, slice_of(object_key)), *end;

	end = has_equal_names(f) ? put_gathered(inside, f) : put_object(inside, f);
	if (end) {
		*end++ = '}';
	} else {
		end = put_pairs(put(start, slice_of(pairs_key)), f);
		*end++ = ']';
	}
	assert((size_t)(end - start) <= room);
	buf_added(to, (size_t)(end - start));
}
