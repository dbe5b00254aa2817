/* SPDX-License-Identifier: MIT */
/*
 * Invariant: `used` stands behind the last item that was whole, so a scan goes on where it stopped
 * and looks at no byte twice but those of one unfinished item's head.
 */
#include "redis/entryscan.h"

#include <string.h>

#include "base/digits.h"

enum { NUMBER_DIGITS_MAX = 9 /* a text is 512 MB at most */ };

/* The longest text that all of them begin with. */
static const char beginning[] = "*1\r\n*2\r\n$";

/* Where a piece of the reply is being read. */
struct cursor {
	const char *at, *end;
	enum scan_result trouble; /* why something could not be taken */
};

static bool give_up(struct cursor *c, enum scan_result trouble)
{
	c->trouble = trouble;
	return false;
}

static inline bool ends_line(const char *p)
{
	return memcmp(p, "\r\n", 2) == 0;
}

/* "*10\r\n" or "$3\r\n". A negative number, nil, is no number here. */
static bool take_any_number(struct cursor *c, char type, size_t *ret_number)
{
	const char *p = c->at, *digits_end;
	size_t n = 0;

	if (c->end - p < 4)
		return give_up(c, SCAN_PARTIAL);
	if (*p++ != type)
		return give_up(c, SCAN_OTHER);
	digits_end = c->end - p > NUMBER_DIGITS_MAX ? p + NUMBER_DIGITS_MAX : c->end;
	while (p < digits_end && is_digit(*p))
		n = 10 * n + (size_t)(*p++ - '0');
	if (p == c->at + 1)
		return give_up(c, SCAN_OTHER);
	if (c->end - p < 2)
		return give_up(c, SCAN_PARTIAL);
	if (!ends_line(p))
		return give_up(c, SCAN_OTHER);
	c->at = p + 2;
	*ret_number = n;
	return true;
}

/* The same; most have one digit or two. */
static inline bool take_number(struct cursor *c, char type, size_t *ret_number)
{
	const char *p = c->at;

	if (c->end - p < 5 || p[0] != type || !is_digit(p[1]))
		return take_any_number(c, type, ret_number);
	if (ends_line(p + 2)) {
		*ret_number = (size_t)(p[1] - '0');
		c->at = p + 4;
		return true;
	}
	if (is_digit(p[2]) && ends_line(p + 3)) {
		*ret_number = (size_t)(10 * (p[1] - '0') + p[2] - '0');
		c->at = p + 5;
		return true;
	}
	return take_any_number(c, type, ret_number);
}

static inline bool take_text(struct cursor *c, struct reply *ret_reply)
{
	const char *before = c->at;
	size_t len;

	if (!take_number(c, '$', &len))
		return false;
	if ((size_t)(c->end - c->at) < len + 2) {
		c->at = before;
		return give_up(c, SCAN_PARTIAL);
	}
	if (!ends_line(c->at + len))
		return give_up(c, SCAN_OTHER);
	*ret_reply = (struct reply){ .type = REPLY_TEXT, .text = { c->at, len } };
	c->at += len + 2;
	return true;
}

/* Trouble is PARTIAL when it may be nil or not. */
static bool take_nil(struct cursor *c)
{
	static const char nil[] = "*-1\r\n";
	size_t len = sizeof(nil) - 1, n_here = (size_t)(c->end - c->at);

	if (memcmp(c->at, nil, n_here < len ? n_here : len) != 0)
		return give_up(c, SCAN_OTHER);
	if (n_here < len)
		return give_up(c, SCAN_PARTIAL);
	c->at += len;
	return true;
}

static struct reply *make_items(struct arena *a, struct reply *array, size_t n)
{
	struct reply *items = arena_take(a, n * sizeof(*items));

	*array = (struct reply){ .type = REPLY_ARRAY, .array = { items, n } };
	return items;
}

/* [[key, [ ... */
static bool begin_reply(struct entryscan *s, struct cursor *c, struct arena *arena)
{
	struct reply key, *stream, *pair;
	size_t n;

	c->at += sizeof(beginning) - 2; /* the '$' is the key's */
	if (!take_text(c, &key) || !take_number(c, '*', &n))
		return false;
	/* Each takes some bytes: a count that promises more than can come is damage. */
	if (n > REPLY_ITEMS_MAX)
		return give_up(c, SCAN_OTHER);
	s->root = arena_take(arena, sizeof(*s->root));
	stream = make_items(arena, s->root, 1);
	pair = make_items(arena, stream, 2);
	pair[0] = key;
	s->entries = make_items(arena, &pair[1], n);
	s->n_entries = n;
	return true;
}

/* [id, [ ... or [id, nil] */
static bool begin_entry(struct entryscan *s, struct cursor *c, struct arena *arena)
{
	struct reply id, *pair;
	size_t n;

	if (!take_number(c, '*', &n))
		return false;
	if (n != 2)
		return give_up(c, SCAN_OTHER);
	if (!take_text(c, &id))
		return false;
	if (take_nil(c)) {
		pair = make_items(arena, &s->entries[s->n_entries_done], 2);
		pair[0] = id;
		pair[1] = (struct reply){ .type = REPLY_NIL };
		s->n_fields = 0;
		s->fields = pair;
		return true;
	}
	if (c->trouble == SCAN_PARTIAL || !take_number(c, '*', &n))
		return false;
	if (n > REPLY_ITEMS_MAX)
		return give_up(c, SCAN_OTHER);
	pair = make_items(arena, &s->entries[s->n_entries_done], 2);
	pair[0] = id;
	s->fields = make_items(arena, &pair[1], n);
	s->n_fields = n;
	return true;
}

static bool take_entry(struct entryscan *s, struct cursor *c, struct arena *arena)
{
	if (!s->fields) {
		struct cursor head = *c;

		if (!begin_entry(s, &head, arena))
			return give_up(c, head.trouble);
		c->at = head.at;
		s->n_fields_done = 0;
	}
	for (; s->n_fields_done < s->n_fields; s->n_fields_done++) {
		if (!take_text(c, &s->fields[s->n_fields_done]))
			return false;
	}
	s->fields = NULL;
	return true;
}

/* ---- the bytes are elsewhere now */

static void shift(struct reply *texts, size_t n, uintptr_t by)
{
	for (size_t i = 0; i < n; i++)
		texts[i].text.data = (const char *)((uintptr_t)texts[i].text.data + by);
}

static void follow_bytes(struct entryscan *s, const char *base)
{
	uintptr_t by = (uintptr_t)base - (uintptr_t)s->base;

	s->base = base;
	if (!by || !s->root)
		return;
	shift(&s->root->array.items[0].array.items[0], 1, by);
	for (size_t i = 0; i < s->n_entries_done; i++) {
		struct reply *pair = s->entries[i].array.items;

		shift(&pair[0], 1, by);
		shift(pair[1].array.items, reply_len(&pair[1]), by);
	}
	if (s->fields) {
		shift(&s->entries[s->n_entries_done].array.items[0], 1, by);
		shift(s->fields, s->n_fields_done, by);
	}
}

/* ---- public */

bool entryscan_fits(struct slice bytes)
{
	size_t len = sizeof(beginning) - 1;

	return memcmp(bytes.data, beginning, bytes.len < len ? bytes.len : len) == 0;
}

static enum scan_result run(struct entryscan *s, struct cursor *c, struct arena *arena)
{
	if (!s->root) {
		if (!begin_reply(s, c, arena))
			return c->trouble;
		s->used = (size_t)(c->at - s->base);
	}
	while (s->n_entries_done < s->n_entries) {
		bool is_taken = take_entry(s, c, arena);

		s->used = (size_t)(c->at - s->base);
		if (!is_taken)
			return c->trouble;
		s->n_entries_done++;
	}
	return SCAN_WHOLE;
}

enum scan_result entryscan_go_on(struct entryscan *s, struct slice bytes, struct arena *arena,
    const struct reply **ret_reply)
{
	struct cursor c = { .end = bytes.data + bytes.len };
	enum scan_result result;

	if (!entryscan_fits(bytes))
		return SCAN_OTHER;
	if (bytes.len < sizeof(beginning))
		return SCAN_PARTIAL;
	follow_bytes(s, bytes.data);
	c.at = bytes.data + s->used;
	result = run(s, &c, arena);
	if (result == SCAN_WHOLE)
		*ret_reply = s->root;
	return result;
}
