/* SPDX-License-Identifier: MIT */
/* Lists of strings, and the environment. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "config/types.h"
#include "config/yamltext.h"

/* Reads one item; NULL after an error. The result is the list's. */
typedef char *(*read_item_fn)(const struct value *item);

static void add_item(struct value *list, size_t i, read_item_fn read_item)
{
	struct value item = value_item(list, i);
	char *text = value_charge(&item) ? read_item(&item) : NULL;

	if (text)
		string_list_add(list->dest, text);
	value_item_done(&item);
}

static void read_list(struct value *v, const char *expected, read_item_fn read_item)
{
	string_list_done(v->dest);
	if (v->node->kind != YNODE_LIST) {
		value_expected(v, v->node, expected);
		return;
	}
	for (size_t i = 0; i < v->node->len; i++)
		add_item(v, i, read_item);
}

static bool print_list(const struct option *o, const void *value, struct buf *to)
{
	(void)o;
	yamltext_list(to, value);
	return true;
}

/* A list that has no default is not set when it is empty. */
static bool print_set_list(const struct option *o, const void *value, struct buf *to)
{
	return ((const struct string_list *)value)->len > 0 && print_list(o, value, to);
}

static void schema_list(const struct option *o, struct json *j)
{
	(void)o;
	json_key(j, "type");
	json_text(j, "array");
	json_key(j, "items");
	json_object_begin(j);
	schema_scalar(j);
	json_object_end(j);
}

static void empty_list_default(const struct option *o, struct json *j)
{
	(void)o;
	json_array_begin(j);
	json_array_end(j);
}

/* ---- names of fields */

static char *read_name(const struct value *item)
{
	const char *text = value_text(item, item->node, "the name of a field");

	return text ? xstrdup(text) : NULL;
}

static void read_names(struct value *v)
{
	read_list(v, "a list of names", read_name);
}

const struct option_type type_names = {
	.read = read_names,
	.print = print_list,
	.schema = schema_list,
	.schema_default = empty_list_default,
	.empty_fallback = true,
	.done = string_list_done,
};

/* ---- the handler's command */

static bool is_executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The first executable of that name, or NULL. An empty part of PATH is skipped, for it would mean
 * whatever directory the daemon was started in. */
static char *search_path(const char *name)
{
	const char *part = getenv("PATH");

	if (!part)
		part = "/usr/local/bin:/usr/bin:/bin";
	while (*part) {
		size_t len = strcspn(part, ":");
		char *path = len ? xasprintf("%.*s/%s", (int)len, part, name) : NULL;

		if (path && *path == '/' && is_executable(path))
			return path;
		free(path);
		part += len + (part[len] == ':');
	}
	return NULL;
}

/* A relative path in argv[0] would mean nothing in the handler's working directory. */
static char *read_argument(const struct value *item)
{
	bool is_program = ((struct string_list *)item->dest)->len == 0;
	const char *text;

	if (!is_program && item->node->kind == YNODE_SCALAR && !ynode_is_nothing(item->node))
		return xstrdup(item->node->text);
	text = value_text(item, item->node, is_program ? "a program" : "text");
	if (!text)
		return NULL;
	return strchr(text, '/') ? value_absolute(item, text) : xstrdup(text);
}

static void find_program(const struct value *v, struct handler_settings *h)
{
	const struct ynode *written = v->node->items[0];
	const char *name = h->command.items[0];

	if (!strchr(name, '/')) {
		h->program = search_path(name);
		if (!h->program)
			value_missing_here(v, written, "a program that is found in PATH");
		return;
	}
	if (is_executable(name))
		h->program = xstrdup(name);
	else
		value_missing_here(v, written, "a file that can be executed");
}

static void done_command(void *value)
{
	struct handler_settings *h = container_of(value, struct handler_settings, command);

	string_list_done(&h->command);
	free(h->program);
	h->program = NULL;
}

static void read_command(struct value *v)
{
	static const char expected[] = "a program and its arguments as a list";
	struct handler_settings *h = container_of(v->dest, struct handler_settings, command);

	done_command(v->dest);
	if (v->node->kind == YNODE_LIST && !v->node->len) {
		value_expected(v, v->node, expected);
		return;
	}
	read_list(v, expected, read_argument);
	if (h->command.len && h->command.len == v->node->len)
		find_program(v, h);
}

static void schema_command(const struct option *o, struct json *j)
{
	schema_list(o, j);
	json_key(j, "minItems");
	json_u64(j, 1);
}

const struct option_type type_command = {
	.read = read_command,
	.print = print_list,
	.schema = schema_command,
	.done = done_command,
};

/* ---- addresses */

static bool is_port(const char *text)
{
	uint64_t port;

	return parse_u64(slice_of(text), &port) == 0 && port >= 1 && port <= UINT16_MAX;
}

/* "host:port", "1.2.3.4:port", "[::1]:port" */
static bool is_host_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (!len || !is_port(colon + 1))
		return false;
	if (text[0] == '[')
		return len > 2 && text[len - 1] == ']' &&
		       strspn(text + 1, "0123456789abcdefABCDEF:.") == len - 2;
	return strcspn(text, ":/?[]@ ") == len;
}

static char *read_node(const struct value *item)
{
	static const char expected[] = "HOST:PORT";
	const char *text = value_text(item, item->node, expected);

	if (!text)
		return NULL;
	if (is_host_port(text))
		return xstrdup(text);
	value_expected(item, item->node, expected);
	return NULL;
}

static void read_nodes(struct value *v)
{
	read_list(v, "a list of HOST:PORT", read_node);
}

const struct option_type type_nodes = {
	.read = read_nodes,
	.print = print_set_list,
	.schema = schema_list,
	.done = string_list_done,
};

/* "mode=0660" or "group=NAME" */
static bool is_socket_setting(struct slice s)
{
	if (s.len > 5 && s.len <= 9 && memcmp(s.data, "mode=", 5) == 0)
		return strspn(s.data + 5, "01234567") >= s.len - 5 &&
		       (s.len < 9 || s.data[5] == '0');
	return s.len > 6 && memcmp(s.data, "group=", 6) == 0;
}

static bool are_socket_settings(const char *query)
{
	for (;;) {
		size_t len = strcspn(query, "&");

		if (!is_socket_setting((struct slice){ query, len }))
			return false;
		if (!query[len])
			return true;
		query += len + 1;
	}
}

static char *read_socket(const struct value *item, const char *rest)
{
	size_t path_len = strcspn(rest, "?");
	char *path = xstrndup(rest, path_len), *absolute = value_absolute(item, path), *text = NULL;

	free(path);
	if (!path_len)
		value_expected(item, item->node, "a path after unix:");
	else if (strlen(absolute) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		value_expected(item, item->node, "a socket path of at most 107 bytes");
	else if (rest[path_len] && !are_socket_settings(rest + path_len + 1))
		value_expected(item, item->node,
		    "?mode=0660, ?group=NAME or ?mode=0660&group=NAME");
	else
		text = xasprintf("unix:%s%s", absolute, rest + path_len);
	free(absolute);
	return text;
}

static char *read_listener(const struct value *item)
{
	static const char expected[] = "unix:PATH or HOST:PORT";
	const char *text = value_text(item, item->node, expected);

	if (!text)
		return NULL;
	if (strncmp(text, "unix:", 5) == 0)
		return read_socket(item, text + 5);
	if (is_host_port(text))
		return xstrdup(text);
	value_expected(item, item->node, expected);
	return NULL;
}

static void read_listen(struct value *v)
{
	read_list(v, "a list of unix:PATH or HOST:PORT", read_listener);
}

const struct option_type type_listen = {
	.read = read_listen,
	.print = print_list,
	.schema = schema_list,
	.done = string_list_done,
};

/* ---- environment */

/* No handler could be given more, and finding one among them takes its time. */
enum { MAX_VARIABLES = 10000 };

static void set_variable(struct string_map *map, const char *name, const char *value)
{
	for (size_t i = 0; i < map->len; i++) {
		if (strcmp(map->names[i], name) != 0)
			continue;
		free(map->values[i]);
		map->values[i] = xstrdup(value);
		return;
	}
	if (!(map->len & (map->len - 1))) {
		size_t cap = map->len ? 2 * map->len : 1;

		map->names = xreallocarray(map->names, cap, sizeof(*map->names));
		map->values = xreallocarray(map->values, cap, sizeof(*map->values));
	}
	map->names[map->len] = xstrdup(name);
	map->values[map->len++] = xstrdup(value);
}

static void read_variable(struct value *map, size_t i)
{
	const struct ynode *name = map->node->pairs[i].key;
	struct value v = value_pair(map, i);

	if (!*name->text || strchr(name->text, '='))
		value_expected(map, name, "the name of a variable");
	else if (v.node->kind != YNODE_SCALAR || ynode_is_nothing(v.node))
		value_expected(&v, v.node, "text (\"\" for an empty one)");
	else if (((struct string_map *)map->dest)->len >= MAX_VARIABLES)
		value_error(&v, name->at, "more than %d variables", MAX_VARIABLES);
	else if (value_charge(&v))
		set_variable(v.dest, name->text, v.node->text);
	value_item_done(&v);
}

/* Not emptied first: a consumer's variables are laid over those of `defaults`. */
static void read_environment(struct value *v)
{
	if (v->node->kind != YNODE_MAP) {
		value_expected(v, v->node, "a mapping of names to values");
		return;
	}
	for (size_t i = 0; i < v->node->len; i++)
		read_variable(v, i);
}

static bool print_environment(const struct option *o, const void *value, struct buf *to)
{
	(void)o;
	yamltext_map(to, value);
	return true;
}

static void schema_environment(const struct option *o, struct json *j)
{
	(void)o;
	json_key(j, "type");
	json_text(j, "object");
	json_key(j, "additionalProperties");
	json_object_begin(j);
	schema_scalar(j);
	json_object_end(j);
}

static void empty_map_default(const struct option *o, struct json *j)
{
	(void)o;
	json_object_begin(j);
	json_object_end(j);
}

const struct option_type type_environment = {
	.read = read_environment,
	.print = print_environment,
	.schema = schema_environment,
	.schema_default = empty_map_default,
	.empty_fallback = true,
	.done = string_map_done,
	.merges = true,
};
