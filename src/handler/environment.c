/* SPDX-License-Identifier: MIT */
#include "handler/environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digits.h"
#include "handler/pool.h"

/* Meant for the daemon alone: a handler that took up NOTIFY_SOCKET or LISTEN_FDS would speak in
 * the daemon's name. */
static const char *const ours_alone[] = {
	"CREDENTIALS_DIRECTORY",
	"FDSTORE",
	"JOURNAL_STREAM",
	"LIBEV_FLAGS",
	"LISTEN_FDNAMES",
	"LISTEN_FDS",
	"LISTEN_PID",
	"LISTEN_PIDFDID",
	"MAINPID",
	"MANAGERPID",
	"MEMORY_PRESSURE_WATCH",
	"MEMORY_PRESSURE_WRITE",
	"NOTIFY_SOCKET",
	"SLUICED_JOURNAL_SOCKET",
	"SYSTEMD_EXEC_PID",
	"WATCHDOG_PID",
	"WATCHDOG_USEC",
};

static const char our_prefix[] = "SLUICE_";

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool has_name(const char *variable, const char *name)
{
	return begins_with(variable, name) && variable[strlen(name)] == '=';
}

static size_t length(char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static bool is_ours_alone(const char *variable)
{
	for (size_t i = 0; i < ARRAY_LEN(ours_alone); i++) {
		if (has_name(variable, ours_alone[i]))
			return true;
	}
	return begins_with(variable, our_prefix);
}

char **handler_environment_new(char *const *environ_of_daemon)
{
	char **list = xcalloc(length(environ_of_daemon) + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; environ_of_daemon[i]; i++) {
		if (!is_ours_alone(environ_of_daemon[i]))
			list[n++] = xstrdup(environ_of_daemon[i]);
	}
	return list;
}

void handler_environment_free(char **environment)
{
	if (!environment)
		return;
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
	free(environment);
}

static bool is_overridden(const char *variable, const struct string_map *by)
{
	for (size_t i = 0; i < by->len; i++) {
		if (has_name(variable, by->names[i]))
			return true;
	}
	return false;
}

char **environment_new(char *const *base, const struct handler_settings *settings)
{
	const struct string_map *added = &settings->environment;
	bool on_stdout = settings->verdicts == VERDICTS_STDOUT;
	char **list = xcalloc(length(base) + added->len + 3, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; base[i]; i++) {
		if (!is_overridden(base[i], added))
			list[n++] = xstrdup(base[i]);
	}
	for (size_t i = 0; i < added->len; i++) {
		if (!begins_with(added->names[i], our_prefix))
			list[n++] = xasprintf("%s=%s", added->names[i], added->values[i]);
	}
	list[n++] = xstrdup("SLUICE_PROTOCOL=1");
	list[n] = xstrdup(on_stdout ? "SLUICE_VERDICT_FD=1" : "SLUICE_VERDICT_FD=3");
	return list;
}

/* --- one run ---------------------------------------------------------------------------------- */

/* Execve takes 128 KiB for one string; what all arguments may take together is a limit of the
 * machine, so fields are bounded together as well. */
enum { FIELD_MAX_BYTES = 64 * 1024, FIELDS_MAX_BYTES = 128 * 1024 };

/* Written by hand: seven printf() took half of the daemon's own work on an entry. */
static void add_text(struct buf *to, const char *name, const char *value)
{
	buf_append_text(to, name);
	buf_append_char(to, '=');
	buf_append(to, value, strlen(value) + 1);
}

static void add_number(struct buf *to, const char *name, uint64_t value)
{
	buf_append_text(to, name);
	buf_append_char(to, '=');
	buf_added(to, digits_put(buf_reserve(to, DIGITS_MAX), value));
	buf_append_char(to, '\0');
}

static char variable_char(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

static void add_field_name(struct buf *to, const char *field)
{
	buf_append_text(to, "SLUICE_FIELD_");
	for (const char *p = field; *p; p++)
		buf_append_char(to, variable_char(*p));
}

/* Fields whose names differ only in what a variable's name cannot hold: the first one wins. */
static bool is_taken(const struct string_list *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *a = names->items[i], *b = names->items[n];

		while (*a && *b && variable_char(*a) == variable_char(*b)) {
			a++;
			b++;
		}
		if (!*a && !*b)
			return true;
	}
	return false;
}

static void add_field(struct buf *to, const char *field, const struct slice *value, size_t *left)
{
	bool fits = value->len <= FIELD_MAX_BYTES && value->len <= *left &&
	            !(value->len && memchr(value->data, '\0', value->len));

	add_field_name(to, field);
	if (!fits) {
		buf_append(to, "_OMITTED=1", sizeof("_OMITTED=1"));
		return;
	}
	*left -= value->len;
	buf_append_char(to, '=');
	buf_append(to, value->data, value->len);
	buf_append_char(to, '\0');
}

static void add_fields(struct buf *to, const struct string_list *names, const struct fields *fields)
{
	size_t left = FIELDS_MAX_BYTES;

	for (size_t i = 0; i < names->len; i++) {
		const struct slice *value = fields_get(fields, slice_of(names->items[i]));

		if (value && !is_taken(names, i))
			add_field(to, names->items[i], value, &left);
	}
}

static void write_text(struct buf *to, const struct handler_settings *settings,
    const struct run_facts *facts)
{
	const struct entry *e = facts->entry;

	buf_clear(to);
	add_text(to, "SLUICE_STREAM", e->origin->stream);
	add_text(to, "SLUICE_GROUP", e->origin->group);
	add_text(to, "SLUICE_CONSUMER", e->origin->consumer);
	add_text(to, "SLUICE_ID", entryid_text(e->id).text);
	add_number(to, "SLUICE_ATTEMPT", e->attempts);
	add_number(to, "SLUICE_MAX_ATTEMPTS", facts->max_attempts);
	add_number(to, "SLUICE_DEADLINE_MS", facts->deadline_ms);
	add_fields(to, &settings->environment_fields, facts->fields);
}

static void reserve(struct run_environment *r, size_t n)
{
	if (n <= r->cap)
		return;
	r->list = xreallocarray(r->list, n, sizeof(*r->list));
	r->cap = n;
}

char *const *run_environment_fill(struct run_environment *r, char *const *common,
    const struct handler_settings *settings, const struct run_facts *facts)
{
	enum { OWN = 7 };
	size_t n = length(common);
	char *p, *end;

	write_text(&r->text, settings, facts);
	reserve(r, n + OWN + settings->environment_fields.len + 1);
	memcpy(r->list, common, n * sizeof(*r->list));
	end = buf_data(&r->text) + buf_len(&r->text);
	for (p = buf_data(&r->text); p < end; p += strlen(p) + 1)
		r->list[n++] = p;
	r->list[n] = NULL;
	return r->list;
}

void run_environment_done(struct run_environment *r)
{
	free(r->list);
	buf_done(&r->text);
	*r = (struct run_environment){ 0 };
}
