/* SPDX-License-Identifier: MIT */
/*
 * Entries of a stream are decoded in place (redis/entryscan.c), everything else by hiredis. The
 * objects it is given to build are struct reply, laid out in an arena: the items of an array stand
 * side by side and are filled in place, so an entry costs no allocation.
 *
 * The callbacks' signatures differ between hiredis 0.14 and 1.x, and 1.x adds RESP3 types; we never
 * ask for RESP3, so a value of such a type means a server that does not speak our protocol.
 */
#include "redis/decoder.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "redis/entryscan.h"

enum {
	DEPTH_MAX = 7, /* what hiredis 0.14 takes; 1.x takes any */
};

/*
 * Bytes are in one of two places: in `in`, where the entries of a stream are decoded, or with
 * hiredis, which gets everything else.
 */
struct decoder {
	struct decoder_cache *cache;
	redisReader *reader;     /* NULL: hiredis has nothing */
	bool is_hiredis_at_work; /* a reply has come to it in part, or is for it alone */
	struct arena arena;
	struct buf in;
	size_t n_done;     /* bytes of `in` in which the reply lies that was given out last */
	size_t n_expected; /* the next one will be about as long as the last */
	struct entryscan scan;
};

static struct reply *place(const redisReadTask *task, enum reply_type type)
{
	struct decoder *d = task->privdata;
	struct reply *r;

	if (task->parent)
		r = &((struct reply *)task->parent->obj)->array.items[task->idx];
	else
		r = arena_take(&d->arena, sizeof(*r));
	r->type = type;
	return r;
}

static enum reply_type text_type(int hiredis_type)
{
	switch (hiredis_type) {
	case REDIS_REPLY_ERROR:
		return REPLY_ERROR;
	case REDIS_REPLY_STATUS:
		return REPLY_STATUS;
	default:
		return REPLY_TEXT;
	}
}

static void *make_text(const redisReadTask *task, char *data, size_t len)
{
	struct decoder *d = task->privdata;
	struct reply *r = place(task, text_type(task->type));
	char *copy = arena_take(&d->arena, len);

	if (len)
		memcpy(copy, data, len);
	r->text = (struct slice){ copy, len };
	return r;
}

#if HIREDIS_MAJOR >= 1
typedef size_t item_count;
#else
typedef int item_count;
#endif

static bool is_too_deep(const redisReadTask *task)
{
	int depth = 1;

	while ((task = task->parent))
		depth++;
	return depth > DEPTH_MAX;
}

static void *make_array(const redisReadTask *task, item_count n)
{
	struct decoder *d = task->privdata;
	struct reply *r;

	if (task->type != REDIS_REPLY_ARRAY || n > REPLY_ITEMS_MAX || is_too_deep(task))
		return NULL;
	r = place(task, REPLY_ARRAY);
	r->array.len = (size_t)n;
	r->array.items = arena_take(&d->arena, (size_t)n * sizeof(struct reply));
	memset(r->array.items, 0, (size_t)n * sizeof(struct reply));
	return r;
}

static void *make_integer(const redisReadTask *task, long long value)
{
	struct reply *r = place(task, REPLY_INTEGER);

	r->integer = value;
	return r;
}

static void *make_nil(const redisReadTask *task)
{
	return place(task, REPLY_NIL);
}

/* The arena owns every object. */
static void free_nothing(void *object)
{
	(void)object;
}

#if HIREDIS_MAJOR >= 1
static void *refuse_double(const redisReadTask *task, double value, char *text, size_t len)
{
	(void)task, (void)value, (void)text, (void)len;
	return NULL;
}

static void *refuse_bool(const redisReadTask *task, int value)
{
	(void)task, (void)value;
	return NULL;
}
#endif

static redisReplyObjectFunctions object_functions = {
	.createString = make_text,
	.createArray = make_array,
	.createInteger = make_integer,
	.createNil = make_nil,
	.freeObject = free_nothing,
#if HIREDIS_MAJOR >= 1
	.createDouble = refuse_double,
	.createBool = refuse_bool,
#endif
};

#define TEXT_OF(number)                 #number
#define VERSION_OF(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *decoder_library(void)
{
	return "hiredis " VERSION_OF(HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
}

static void free_reader(redisReader *r)
{
	if (r)
		redisReaderFree(r);
}

void decoder_cache_done(struct decoder_cache *c)
{
	arena_cache_done(&c->arenas);
	buf_done(&c->in);
	free_reader(c->reader);
	c->reader = NULL;
}

struct decoder *decoder_new(struct decoder_cache *cache)
{
	struct decoder *d = xcalloc(1, sizeof(*d));

	d->cache = cache;
	arena_init(&d->arena, &cache->arenas);
	return d;
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	free_reader(d->reader);
	arena_reset(&d->arena);
	buf_done(&d->in);
	free(d);
}

/* ---- what hiredis holds; it looks the same in 0.14 and 1.x */

static struct slice with_hiredis(const struct decoder *d)
{
	const redisReader *r = d->reader;

	if (!r)
		return (struct slice){ .data = NULL };
	return (struct slice){ r->buf + r->pos, r->len - r->pos };
}

/* Between two replies. */
static void take_back(struct decoder *d)
{
	struct slice bytes = with_hiredis(d);

	if (!d->reader)
		return;
	buf_append(&d->in, bytes.data, bytes.len);
	d->reader->pos = d->reader->len;
	free_reader(d->cache->reader);
	d->cache->reader = d->reader;
	d->reader = NULL;
}

static void take_reader(struct decoder *d)
{
	d->reader = d->cache->reader;
	d->cache->reader = NULL;
	if (!d->reader)
		d->reader = redisReaderCreateWithFunctions(&object_functions);
	if (!d->reader)
		abort();
	d->reader->privdata = d;
}

static int give_to_hiredis(struct decoder *d)
{
	int r;

	take_reader(d);
	r = redisReaderFeed(d->reader, buf_data(&d->in), buf_len(&d->in));
	buf_clear(&d->in);
	return r == REDIS_OK ? 0 : -EPROTO;
}

/* ---- public */

int decoder_feed(struct decoder *d, const char *data, size_t len)
{
	if (d->is_hiredis_at_work || with_hiredis(d).len)
		return redisReaderFeed(d->reader, data, len) == REDIS_OK ? 0 : -EPROTO;
	buf_borrow(&d->in, &d->cache->in);
	if (!buf_len(&d->in) && len < d->n_expected)
		buf_reserve(&d->in, d->n_expected);
	buf_append(&d->in, data, len);
	return 0;
}

static int next_of_hiredis(struct decoder *d, const struct reply **ret_reply)
{
	void *object = NULL;

	if (redisReaderGetReply(d->reader, &object) != REDIS_OK)
		return -EPROTO;
	d->is_hiredis_at_work = !object;
	*ret_reply = object;
	return 0;
}

int decoder_next(struct decoder *d, const struct reply **ret_reply)
{
	struct slice bytes = with_hiredis(d);

	if (d->is_hiredis_at_work)
		return next_of_hiredis(d, ret_reply);
	if (bytes.len && !entryscan_fits(bytes))
		return next_of_hiredis(d, ret_reply);
	take_back(d);
	*ret_reply = NULL;
	if (!buf_len(&d->in))
		return 0;
	switch (entryscan_go_on(&d->scan, buf_slice(&d->in), &d->arena, ret_reply)) {
	case SCAN_WHOLE:
		d->n_done = d->n_expected = d->scan.used;
		d->scan = (struct entryscan){ 0 };
		return 0;
	case SCAN_PARTIAL:
		return 0;
	case SCAN_OTHER:
		break;
	}
	d->scan = (struct entryscan){ 0 };
	return give_to_hiredis(d) ? -EPROTO : next_of_hiredis(d, ret_reply);
}

void decoder_release(struct decoder *d)
{
	arena_reset(&d->arena);
	buf_consume(&d->in, d->n_done);
	d->n_done = 0;
	if (!buf_len(&d->in))
		buf_give_back(&d->in, &d->cache->in);
}
