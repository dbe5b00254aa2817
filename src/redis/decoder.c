/* SPDX-License-Identifier: MIT */
/*
 * hiredis parses RESP; the objects it is given to build are struct reply, laid out in an arena: the
 * items of an array stand side by side and are filled in place, so an entry costs no allocation.
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

/* A reply with more items than this is taken for damage: read.count and the number of fields of an
 * entry stay far below. */
enum {
	ITEMS_MAX = 1 << 22,
	DEPTH_MAX = 7, /* what hiredis 0.14 takes; 1.x takes any */
};

struct decoder {
	redisReader *reader;
	struct arena arena;
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

	if (task->type != REDIS_REPLY_ARRAY || n > ITEMS_MAX || is_too_deep(task))
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

struct decoder *decoder_new(struct arena_cache *cache)
{
	struct decoder *d = xcalloc(1, sizeof(*d));

	arena_init(&d->arena, cache);
	d->reader = redisReaderCreateWithFunctions(&object_functions);
	if (!d->reader)
		abort();
	d->reader->privdata = d;
	return d;
}

void decoder_free(struct decoder *d)
{
	if (!d)
		return;
	redisReaderFree(d->reader);
	arena_reset(&d->arena);
	free(d);
}

int decoder_feed(struct decoder *d, const char *data, size_t len)
{
	return redisReaderFeed(d->reader, data, len) == REDIS_OK ? 0 : -EPROTO;
}

int decoder_next(struct decoder *d, const struct reply **ret_reply)
{
	void *object = NULL;

	if (redisReaderGetReply(d->reader, &object) != REDIS_OK)
		return -EPROTO;
	*ret_reply = object;
	return 0;
}

void decoder_release(struct decoder *d)
{
	arena_reset(&d->arena);
}
