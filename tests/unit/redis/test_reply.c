/* SPDX-License-Identifier: MIT */
/* Accessors on what is there and what is not, rows and entries as servers write them, and what
 * their errors mean. */
#include "redis/reply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TEXT(literal)                                                                              \
	{                                                                                          \
		.type = REPLY_TEXT, .text = { literal, sizeof(literal) - 1 }                       \
	}
#define NUMBER(n)                                                                                  \
	{                                                                                          \
		.type = REPLY_INTEGER, .integer = (n)                                              \
	}
#define NIL                                                                                        \
	{                                                                                          \
		.type = REPLY_NIL                                                                  \
	}
#define LIST(n, ...)                                                                               \
	{                                                                                          \
		.type = REPLY_ARRAY, .array = {(struct reply[]){ __VA_ARGS__ }, (n) }              \
	}

static struct reply nil = NIL, number = NUMBER(-7), text = TEXT("te\0xt"),
                    status = { .type = REPLY_STATUS, .text = { "OK", 2 } },
                    error = { .type = REPLY_ERROR, .text = { "ERR no", 6 } },
                    list = LIST(2, NUMBER(1), TEXT("two")), empty = LIST(0, NIL);

static void test_accessors(void **unused)
{
	struct reply *const all[] = { NULL, &nil, &number, &text, &status, &error, &list, &empty };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		const struct reply *r = all[i];
		bool has_text = r == &text || r == &status || r == &error;

		assert_int_equal(reply_len(r), r == &list ? 2 : 0);
		assert_ptr_equal(reply_at(r, 0), r == &list ? &list.array.items[0] : NULL);
		assert_null(reply_at(r, 2));
		assert_null(reply_at(r, SIZE_MAX));
		assert_int_equal(reply_integer(r), r == &number ? -7 : 0);
		assert_int_equal(reply_text(r).len, has_text ? r->text.len : 0);
		assert_non_null(reply_text(r).data);
		assert_int_equal(reply_is_error(r), r == &error);
		assert_int_equal(reply_is_status(r, "OK"), r == &status);
		assert_false(reply_is_status(r, "O"));
		assert_false(reply_is_status(r, "OKAY"));
	}
	assert_true(slice_is(reply_text(reply_at(&list, 1)), "two"));
}

static void test_read_entries(void **unused)
{
	struct reply two = LIST(1, LIST(2, TEXT("s"), LIST(2, TEXT("1-1"), TEXT("1-2"))));
	struct reply none = LIST(1, LIST(2, TEXT("s"), LIST(0, NIL)));
	struct reply odd = LIST(1, TEXT("s"));

	(void)unused;
	assert_int_equal(reply_len(reply_read_entries(&two)), 2);
	assert_int_equal(reply_len(reply_read_entries(&none)), 0);
	assert_null(reply_read_entries(NULL));
	assert_null(reply_read_entries(&nil));
	assert_null(reply_read_entries(&empty));
	assert_null(reply_read_entries(&odd));
}

static void test_entry(void **unused)
{
	struct reply good = LIST(2, TEXT("5-6"), LIST(2, TEXT("k"), TEXT("v")));
	struct reply deleted = LIST(2, TEXT("5-7"), NIL);
	struct reply bad[] = { NIL, TEXT("5-6"), LIST(0, NIL), LIST(1, TEXT("5-6")),
		LIST(2, TEXT("5"), NIL), LIST(2, TEXT(""), NIL), LIST(2, NUMBER(5), NIL),
		LIST(2, NIL, NIL), LIST(2, TEXT("5-6x"), NIL) };
	struct entryid id = { 1, 1 };
	const struct reply *fields = NULL;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(reply_entry(&bad[i], &id, &fields), -EPROTO);
	assert_int_equal(reply_entry(NULL, &id, &fields), -EPROTO);
	assert_null(fields);
	assert_int_equal(reply_entry(&good, &id, &fields), 0);
	assert_true(id.ms == 5 && id.seq == 6);
	assert_int_equal(reply_len(fields), 2);
	assert_int_equal(reply_entry(&deleted, &id, &fields), 0);
	assert_int_equal(fields->type, REPLY_NIL);
}

static const struct {
	struct reply row;
	struct pending_row expected;
} rows[] = {
	{ LIST(4, TEXT("1-2"), TEXT("me"), NUMBER(77), NUMBER(3)),
	    { { 1, 2 }, { "me", 2 }, 77, false, 3 } },
	/* XNACK leaves an entry with nobody: no owner, idle -1, and with FATAL the highest there
	   is. */
	{ LIST(4, TEXT("1-2"), TEXT(""), NUMBER(-1), NUMBER(INT64_MAX)),
	    { { 1, 2 }, { "", 0 }, 0, true, INT32_MAX } },
	{ LIST(4, TEXT("1-2"), TEXT("me"), NUMBER(INT64_MAX), NUMBER(INT32_MAX)),
	    { { 1, 2 }, { "me", 2 }, INT64_MAX, false, INT32_MAX } },
	{ LIST(4, TEXT("1-2"), TEXT("me"), NUMBER(0), NUMBER(-1)),
	    { { 1, 2 }, { "me", 2 }, 0, false, 0 } },
	{ LIST(5, TEXT("1-2"), TEXT("me"), NUMBER(0), NUMBER(1), TEXT("more")),
	    { { 1, 2 }, { "me", 2 }, 0, false, 1 } },
	{ LIST(4, TEXT("1-2"), NIL, NIL, NIL), { { 1, 2 }, { "", 0 }, 0, false, 0 } },
};

static void test_malformed_pending_row(void **unused)
{
	const struct reply bad[] = { NIL, TEXT("1-2"), LIST(0, NIL),
		LIST(3, TEXT("1-2"), TEXT("me"), NUMBER(0)),
		LIST(4, TEXT("1"), TEXT("me"), NUMBER(0), NUMBER(1)),
		LIST(4, NUMBER(1), TEXT("me"), NUMBER(0), NUMBER(1)) };
	struct pending_row row = { .idle_ms = 9 };

	(void)unused;
	assert_int_equal(reply_pending_row(NULL, &row), -EPROTO);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(reply_pending_row(&bad[i], &row), -EPROTO);
	assert_int_equal(row.idle_ms, 9);
}

static void test_pending_row(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pending_row row = { { 9, 9 }, { "x", 1 }, 9, false, 9 };
		const struct pending_row *e = &rows[i].expected;

		assert_int_equal(reply_pending_row(&rows[i].row, &row), 0);
		assert_int_equal(entryid_compare(row.id, e->id), 0);
		assert_true(slice_equal(row.owner, e->owner));
		assert_int_equal(row.idle_ms, e->idle_ms);
		assert_int_equal(row.nobody, e->nobody);
		assert_int_equal(row.deliveries, e->deliveries);
	}
}

/* As Redis 6.2, 7.0, 7.2 and 8 write them. */
static const struct {
	enum redis_error class;
	const char *text;
} errors[] = {
	{ REDIS_TEMPORARY, "LOADING Redis is loading the dataset in memory" },
	{ REDIS_TEMPORARY, "BUSY Redis is busy running a script. You can only call SCRIPT KILL or "
	                   "SHUTDOWN NOSAVE." },
	{ REDIS_TEMPORARY, "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is "
	                   "set to 'no'." },
	{ REDIS_TEMPORARY, "TRYAGAIN Multiple keys request during rehashing of slot" },
	{ REDIS_TEMPORARY, "CLUSTERDOWN The cluster is down" },
	{ REDIS_TEMPORARY, "CLUSTERDOWN Hash slot not served" },
	{ REDIS_TEMPORARY, "EXECABORT Transaction discarded because of previous errors." },
	{ REDIS_TEMPORARY, "ERR max number of clients reached" },
	{ REDIS_NOGROUP, "UNBLOCKED the stream key no longer exists" },
	{ REDIS_NOGROUP, "UNBLOCKED force unblock from blocking operation, instance state changed "
	                 "(master -> replica?)" },
	{ REDIS_READONLY, "READONLY You can't write against a read only replica." },
	{ REDIS_READONLY, "READONLY You can't write against a read only replica. script: "
	                  "f_9d2, on @user_script:12." },
	{ REDIS_NO_WRITES, "NOREPLICAS Not enough good replicas to write." },
	{ REDIS_NO_WRITES, "MISCONF Redis is configured to save RDB snapshots, but it's currently "
	                   "unable to persist to disk." },
	{ REDIS_NO_WRITES, "MISCONF Errors writing to the AOF file: No space left on device" },
	{ REDIS_OOM, "OOM command not allowed when used memory > 'maxmemory'." },
	{ REDIS_MOVED, "MOVED 3999 127.0.0.1:6381" },
	{ REDIS_MOVED, "ASK 3999 127.0.0.1:6381" },
	{ REDIS_CROSSSLOT, "CROSSSLOT Keys in request don't hash to the same slot" },
	{ REDIS_NOGROUP, "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP "
	                 "option" },
	{ REDIS_NOGROUP, "NOGROUP No such key 's' or consumer group 'g'" },
	{ REDIS_NOGROUP, "NOGROUP the consumer group this client was blocked on no longer exists" },
	{ REDIS_NOGROUP, "NOGROUP No such consumer group 'g' for key name 's'" },
	{ REDIS_NOGROUP, "ERR The XGROUP subcommand requires the key to exist. Note that for "
	                 "CREATE you may want to use the MKSTREAM option to create an empty stream "
	                 "automatically." },
	{ REDIS_NOGROUP, "ERR no such key" },
	{ REDIS_WRONGTYPE, "WRONGTYPE Operation against a key holding the wrong kind of value" },
	{ REDIS_AUTH, "NOAUTH Authentication required." },
	{ REDIS_AUTH,
	    "ERR ACL failure in script: User worker has no permissions to run the 'xclaim' command "
	    "script: f61f21081a0e76b37c2a9e7c782eba6ca6ca9b8d, on @user_script:104." },
	{ REDIS_AUTH, "ERR ACL failure in script: No permissions to access a key" },
	{ REDIS_AUTH, "WRONGPASS invalid username-password pair or user is disabled." },
	{ REDIS_AUTH, "NOPERM this user has no permissions to run the 'xack' command or its "
	              "subcommand" },
	{ REDIS_AUTH, "NOPERM User limited has no permissions to run the 'xack' command" },
	{ REDIS_AUTH, "NOPERM No permissions to access a key" },
	{ REDIS_AUTH, "DENIED Redis is running in protected mode because protected mode is enabled "
	              "and no password is set for the default user." },
	{ REDIS_AUTH, "ERR AUTH <password> called without any password configured for the default "
	              "user. Are you sure your configuration is correct?" },
	{ REDIS_AUTH, "ERR invalid password" },
	{ REDIS_NOSCRIPT, "NOSCRIPT No matching script. Please use EVAL." },
	{ REDIS_UNSUPPORTED, "ERR unknown command `XAUTOCLAIM`, with args beginning with: `s`, " },
	{ REDIS_UNSUPPORTED, "ERR unknown command 'XNACK', with args beginning with: 's' " },
	{ REDIS_UNSUPPORTED, "ERR Unknown subcommand or wrong number of arguments for 'NO-EVICT'. "
	                     "Try CLIENT HELP." },
	{ REDIS_UNSUPPORTED, "ERR unknown subcommand 'SETINFO'. Try CLIENT HELP." },
	{ REDIS_UNSUPPORTED, "ERR syntax error" },
	{ REDIS_BUSYGROUP, "BUSYGROUP Consumer Group name already exists" },
	/* Up to 6.2 an error within a script stands at the end of another one. */
	{ REDIS_NOGROUP, "ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0"
	                 "e791): @user_script:7: NOGROUP No such key 's' or consumer group 'g' " },
	{ REDIS_READONLY, "ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c"
	                  "0e791): @user_script:7: @user_script: 7: -READONLY You can't write "
	                  "against a read only replica.  " },
	{ REDIS_UNKNOWN, "ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0"
	                 "e791): @user_script:7: user_script:7: attempt to index a nil value " },
	{ REDIS_UNKNOWN, "ERR wrong number of arguments for 'xack' command" },
	{ REDIS_UNKNOWN, "ERR Invalid stream ID specified as stream command argument" },
	{ REDIS_UNKNOWN, "ERR DB index is out of range" },
	{ REDIS_UNKNOWN, "ERR" },
	{ REDIS_UNKNOWN, "" },
	{ REDIS_UNKNOWN, " OOM" },
	{ REDIS_UNKNOWN, "OOMPH" },
	{ REDIS_UNKNOWN, "oom" },
	{ REDIS_UNKNOWN, "SOMETHING new" },
	{ REDIS_OOM, "OOM" },
	{ REDIS_BUSYGROUP, "BUSYGROUP" },
	{ REDIS_TEMPORARY, "BUSY" },
};

static void test_error_classes(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		enum redis_error class = redis_error_class(slice_of(errors[i].text));

		if (class != errors[i].class)
			fail_msg("%s: %s", errors[i].text, redis_error_word(class));
	}
	assert_int_equal(redis_error_class((struct slice){ NULL, 0 }), REDIS_UNKNOWN);
}

static void test_error_words(void **unused)
{
	(void)unused;
	for (int i = 0; i < REDIS_ERROR_COUNT; i++) {
		assert_non_null(redis_error_word(i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(redis_error_word(i), redis_error_word(j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accessors),
		cmocka_unit_test(test_read_entries),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_pending_row),
		cmocka_unit_test(test_malformed_pending_row),
		cmocka_unit_test(test_error_classes),
		cmocka_unit_test(test_error_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
