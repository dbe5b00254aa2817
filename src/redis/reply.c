/* SPDX-License-Identifier: MIT */
#include "redis/reply.h"

#include <errno.h>

/* XNACK FATAL sets the highest count there is: more than fits, and runs are counted on from it. */
enum { DELIVERIES_MAX = INT32_MAX };

void reply_ignored(void *owner, void *request, const struct reply *reply)
{
	(void)owner;
	(void)request;
	(void)reply;
}

int64_t reply_integer(const struct reply *r)
{
	return r && r->type == REPLY_INTEGER ? r->integer : 0;
}

bool reply_is_status(const struct reply *r, const char *word)
{
	return r && r->type == REPLY_STATUS && slice_is(r->text, word);
}

const struct reply *reply_read_entries(const struct reply *r)
{
	return reply_at(reply_at(r, 0), 1);
}

int reply_entry(const struct reply *r, struct entryid *ret_id, const struct reply **ret_fields)
{
	if (reply_len(r) < 2 || entryid_parse(reply_text(reply_at(r, 0)), ret_id))
		return -EPROTO;
	*ret_fields = reply_at(r, 1);
	return 0;
}

int reply_pending_row(const struct reply *r, struct pending_row *ret_row)
{
	struct pending_row row = { 0 };
	int64_t idle, deliveries;

	if (reply_len(r) < 4 || entryid_parse(reply_text(reply_at(r, 0)), &row.id))
		return -EPROTO;
	row.owner = reply_text(reply_at(r, 1));
	idle = reply_integer(reply_at(r, 2));
	deliveries = reply_integer(reply_at(r, 3));
	row.nobody = idle < 0;
	row.idle_ms = idle < 0 ? 0 : (uint64_t)idle;
	if (deliveries < 0)
		deliveries = 0;
	row.deliveries = deliveries < DELIVERIES_MAX ? (uint32_t)deliveries : DELIVERIES_MAX;
	*ret_row = row;
	return 0;
}

struct entryid reply_last_pending(const struct reply *r)
{
	static const struct entryid none = { 0, 0 };
	struct entryid id;

	return entryid_parse(reply_text(reply_at(r, 2)), &id) ? none : id;
}

/* One row for each first word that is known; the rest of the text is for people. */
static const struct {
	const char *word;
	enum redis_error class;
} error_words[] = {
	{ "LOADING", REDIS_TEMPORARY },
	{ "BUSY", REDIS_TEMPORARY },
	{ "MASTERDOWN", REDIS_TEMPORARY },
	{ "TRYAGAIN", REDIS_TEMPORARY },
	{ "CLUSTERDOWN", REDIS_TEMPORARY },
	{ "UNBLOCKED", REDIS_NOGROUP }, /* Redis 7.0's word when the key of a blocked read goes */
	{ "EXECABORT", REDIS_TEMPORARY },
	{ "READONLY", REDIS_READONLY },
	{ "NOREPLICAS", REDIS_NO_WRITES },
	{ "MISCONF", REDIS_NO_WRITES },
	{ "OOM", REDIS_OOM },
	{ "MOVED", REDIS_MOVED },
	{ "ASK", REDIS_MOVED },
	{ "CROSSSLOT", REDIS_CROSSSLOT },
	{ "NOGROUP", REDIS_NOGROUP },
	{ "WRONGTYPE", REDIS_WRONGTYPE },
	{ "NOAUTH", REDIS_AUTH },
	{ "WRONGPASS", REDIS_AUTH },
	{ "NOPERM", REDIS_AUTH },
	{ "DENIED", REDIS_AUTH }, /* protected mode */
	{ "NOSCRIPT", REDIS_NOSCRIPT },
	{ "BUSYGROUP", REDIS_BUSYGROUP },
};

/* Errors that begin with ERR say what they mean further on. */
static const struct {
	const char *text;
	enum redis_error class;
} err_texts[] = {
	{ "ERR unknown command", REDIS_UNSUPPORTED },
	{ "ERR unknown subcommand", REDIS_UNSUPPORTED },
	{ "ERR Unknown subcommand", REDIS_UNSUPPORTED },
	{ "ERR syntax error", REDIS_UNSUPPORTED },
	/* 6.2: AUTH with a password where none is set, or a wrong one. */
	{ "ERR AUTH", REDIS_AUTH },
	{ "ERR invalid password", REDIS_AUTH },
	/* 7.0: an ACL refuses a command or a key within a script. */
	{ "ERR The user executing the script can't", REDIS_AUTH },
	{ "ERR ACL failure in script", REDIS_AUTH }, /* 7.2 */
	/* XGROUP CREATE without MKSTREAM, and most group commands, where the key is missing. */
	{ "ERR The XGROUP subcommand requires the key to exist", REDIS_NOGROUP },
	{ "ERR no such key", REDIS_NOGROUP },
	{ "ERR max number of clients", REDIS_TEMPORARY },
};

static bool starts_with(struct slice s, const char *prefix)
{
	size_t len = strlen(prefix);

	return s.len >= len && memcmp(s.data, prefix, len) == 0;
}

/* Up to 6.2 the error of a command in a script ends one about the script: "ERR Error running script
 * (call to f_…): @user_script:7: @user_script: 7: -READONLY You can't write …". */
static struct slice within_script(struct slice text)
{
	static const char place[] = "@user_script:";
	const char *end = text.data + text.len, *p;

	if (!starts_with(text, "ERR Error running script"))
		return text;
	while ((p = memmem(text.data, text.len, place, sizeof(place) - 1))) {
		for (p += sizeof(place) - 1; p < end && strchr("0123456789: -", *p); p++)
			;
		text = (struct slice){ p, (size_t)(end - p) };
	}
	return text;
}

enum redis_error redis_error_class(struct slice error)
{
	struct slice text = within_script(error);
	const char *blank = text.len ? memchr(text.data, ' ', text.len) : NULL;
	struct slice word = { text.data, blank ? (size_t)(blank - text.data) : text.len };

	for (size_t i = 0; i < sizeof(error_words) / sizeof(error_words[0]); i++) {
		if (slice_is(word, error_words[i].word))
			return error_words[i].class;
	}
	for (size_t i = 0; i < sizeof(err_texts) / sizeof(err_texts[0]); i++) {
		if (starts_with(text, err_texts[i].text))
			return err_texts[i].class;
	}
	return REDIS_UNKNOWN;
}

const char *redis_error_word(enum redis_error e)
{
	static const char *const words[REDIS_ERROR_COUNT] = {
#define X(name, word) [REDIS_##name] = word,
		REDIS_ERRORS(X)
#undef X
	};

	return words[e];
}
