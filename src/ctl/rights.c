/* SPDX-License-Identifier: MIT */
#include "ctl/rights.h"

#include <string.h>

#include "base/compiler.h"

#define K RIGHT_KEY
#define G RIGHT_GROUP

static const char plain_commands[] =
    "plain commands stand in for scripts, look first and act afterwards: another consumer that "
    "claims in between may lose the entry again";
static const char no_unblock[] = "a drain waits until the blocked read returns (read.block)";
static const char no_trim[] = "trim does nothing";
static const char no_abilities[] = "log and status do not tell which commands the server knows";

const struct right rights[] = {
	{ "ping", .words = { "PING" } },
	{ "xreadgroup", .key = KEY_STREAM,
	    .words = { "XREADGROUP", "GROUP", G, "c", "COUNT", "none", "STREAMS", K, ">" } },
	{ "xack", .key = KEY_STREAM, .words = { "XACK", K, G, "none" } },
	{ "xclaim", .key = KEY_STREAM, .words = { "XCLAIM", K, G, "c", "none", "0-1" } },
	{ "xautoclaim", .key = KEY_STREAM, .words = { "XAUTOCLAIM", K, G, "c", "none", "0" } },
	{ "xpending", .key = KEY_STREAM, .words = { "XPENDING", K, G, "-", "+", "none" } },
	{ "xrange", .key = KEY_STREAM, .words = { "XRANGE", K, "none", "+" } },
	{ "xlen", .key = KEY_STREAM, .words = { "XLEN", K },
	    .without = "the log does not tell how many entries wait for a new group" },
	{ "xadd", .key = KEY_DEAD_LETTERS, .words = { "XADD", K, "none", "f", "v" } },
	{ "xinfo", .key = KEY_STREAM, .words = { "XINFO", "GROUPS", K } },
	{ "xgroup|create", .key = KEY_STREAM,
	    .words = { "XGROUP", "CREATE", K, G, "none", "MKSTREAM" },
	    .without = "groups have to be there" },
	{ "eval", .words = { "EVAL", "return", "none" }, .without = plain_commands },
	{ "evalsha", .words = { "EVALSHA", "none", "none" }, .without = plain_commands },
	{ "script|load", .words = { "SCRIPT", "LOAD", "this is no (Lua" },
	    .without = "the text of a script is sent each time" },
	{ "client|setname", .words = { "CLIENT", "SETNAME", "sluicectl" },
	    .without = "CLIENT LIST does not name the connections" },
	{ "client|id", .words = { "CLIENT", "ID" }, .without = no_unblock },
	{ "client|unblock", .words = { "CLIENT", "UNBLOCK", "0" }, .without = no_unblock },
	{ "command|info", .words = { "COMMAND", "INFO", "ping" }, .without = no_abilities },
	{ "command|docs", .words = { "COMMAND", "DOCS", "ping" }, .without = no_abilities },
	{ "xtrim", NEED_TRIM, KEY_STREAM, { "XTRIM", K, "MAXLEN", "none" }, no_trim },
	{ "set", NEED_TRIM, KEY_TRIM, { "SET", K, "v", "NX", "XX" }, no_trim },
	{ "time", NEED_TRIM, .words = { "TIME" }, .without = no_trim },
	{ "mget", NEED_ONCE, KEY_GUARD, .words = { "MGET", K } },
	{ "set", NEED_ONCE, KEY_GUARD, .words = { "SET", K, "v", "NX", "XX" } },
	{ "cluster|slots", NEED_CLUSTER, .words = { "CLUSTER", "SLOTS" } },
	{ "asking", NEED_CLUSTER, .words = { "ASKING" } },
	{ "role", NEED_SENTINEL, .words = { "ROLE" } },
};
const size_t n_rights = ARRAY_LEN(rights);

void rule_append_key(struct buf *rule, const char *key)
{
	buf_append_text(rule, " ~");
	for (const char *p = key; *p; p++) {
		if (strchr("*?[]\\", *p))
			buf_append_char(rule, '\\');
		buf_append_char(rule, *p);
	}
}
