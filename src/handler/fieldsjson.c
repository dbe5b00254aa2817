/* SPDX-License-Identifier: MIT */
/*
 * A Redis entry is an ordered list of pairs of any bytes, names not necessarily different. A JSON
 * object holds it as long as names are UTF-8; a name that occurs again has its values gathered in
 * an array at its first place. Everything but the usual case is kept off the hot path.
 */
#include "handler/fieldsjson.h"

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

static void append_base64(struct buf *to, struct slice s)
{
	buf_append_text(to, "{\"base64\":\"");
	text_append_base64(to, s);
	buf_append_text(to, "\"}");
}

static void append_bytes(struct buf *to, struct slice s)
{
	if (!json_append_string(to, s))
		append_base64(to, s);
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

/* False when a name is not UTF-8; what was written so far is then the caller's to take back. */
static bool append_object(struct buf *to, const struct fields *f)
{
	for (size_t i = 0; i < f->n_pairs; i++) {
		if (i)
			buf_append_char(to, ',');
		if (!json_append_string(to, name_of(f, i)))
			return false;
		buf_append_char(to, ':');
		append_bytes(to, value_of(f, i));
	}
	return true;
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

static void append_values(struct buf *to, const struct fields *f, const struct chain *chains,
    size_t first)
{
	if (!chains[first].next) {
		append_bytes(to, value_of(f, first));
		return;
	}
	buf_append_char(to, '[');
	append_bytes(to, value_of(f, first));
	for (size_t i = chains[first].next; i; i = chains[i].next) {
		buf_append_char(to, ',');
		append_bytes(to, value_of(f, i));
	}
	buf_append_char(to, ']');
}

static bool append_gathered(struct buf *to, const struct fields *f)
{
	struct chain *chains = chains_of(f);
	bool valid = true;

	for (size_t i = 0; i < f->n_pairs && valid; i++) {
		if (!chains[i].first)
			continue;
		if (i)
			buf_append_char(to, ',');
		valid = json_append_string(to, name_of(f, i));
		buf_append_char(to, ':');
		append_values(to, f, chains, i);
	}
	free(chains);
	return valid;
}

static void append_pairs(struct buf *to, const struct fields *f)
{
	buf_append_text(to, ",\"pairs\":[");
	for (size_t i = 0; i < f->n_pairs; i++) {
		buf_append_text(to, i ? ",[" : "[");
		append_bytes(to, name_of(f, i));
		buf_append_char(to, ',');
		append_bytes(to, value_of(f, i));
		buf_append_char(to, ']');
	}
	buf_append_char(to, ']');
}

void fieldsjson_append(struct buf *to, const struct fields *f)
{
	static const char key[] = ",\"fields\":{";
	size_t before = buf_len(to);
	bool valid;

	buf_append(to, key, sizeof(key) - 1);
	valid = has_equal_names(f) ? append_gathered(to, f) : append_object(to, f);
	if (valid) {
		buf_append_char(to, '}');
		return;
	}
	to->end = to->start + before;
	append_pairs(to, f);
}
