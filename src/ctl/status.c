/* SPDX-License-Identifier: MIT */
#include "ctl/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "ctl/daemonask.h"
#include "ctl/figuresum.h"
#include "ctl/jsonget.h"
#include "ctl/output.h"
#include "ctl/toplayout.h"

/* The first look makes the daemon ask Redis, which has answered a moment later. */
enum { FIGURES_MS = 1500, BETWEEN_MS = 40 };

static enum ctl_exit ask_status(struct daemonlink *l, json_t **ret_status)
{
	uint64_t began_at_ms = clock_mono_ms();
	enum ctl_exit status = daemon_ask_json(l, "GET", "/v1/status", ret_status);

	while (status == CTL_DONE && !figures_are_here(*ret_status) &&
	       clock_mono_ms() - began_at_ms < FIGURES_MS) {
		usleep(BETWEEN_MS * 1000);
		json_decref(*ret_status);
		status = daemon_ask_json(l, "GET", "/v1/status", ret_status);
	}
	return status;
}

/* ---- for people */

static void add_figure(struct table *t, struct figure_sum f)
{
	if (f.is_known)
		table_u64(t, f.value);
	else
		table_none(t);
}

static void add_one(struct table *t, const json_t *object, const char *key)
{
	struct figure_sum f = { 0 };

	f.is_known = get_u64(object, key, &f.value);
	add_figure(t, f);
}

static void add_age(struct table *t, struct figure_sum f)
{
	if (f.is_known)
		table_duration(t, f.value);
	else
		table_none(t);
}

static void add_state(struct table *t, const json_t *consumer)
{
	const char *state = get_text(consumer, "state");

	table_styled(t, strcmp(state, "running") == 0 ? STYLE_GOOD : STYLE_WARN, state);
}

static void add_yes(struct table *t, bool yes)
{
	table_styled(t, yes ? STYLE_PLAIN : STYLE_BAD, yes ? "yes" : "no");
}

static void add_breaker(struct table *t, const json_t *consumer)
{
	const char *state = get_text(json_object_get(consumer, "breaker"), "state");

	table_styled(t, strcmp(state, "closed") == 0 ? STYLE_PLAIN : STYLE_BAD, state);
}

static void add_consumer(struct table *t, const json_t *consumer)
{
	const json_t *held = json_object_get(consumer, "held");

	table_styled(t, STYLE_NAME, get_text(consumer, "name"));
	add_state(t, consumer);
	add_yes(t, get_bool(consumer, "connected"));
	table_u64(t, get_count(held, "total"));
	table_u64(t, get_count(held, "running"));
	add_figure(t, figure_sum_of(consumer, "lag"));
	add_figure(t, figure_sum_of(consumer, "pending"));
	add_age(t, figure_oldest_pending_ms(consumer));
	add_figure(t, figure_dead_letters(consumer));
	add_breaker(t, consumer);
}

/* What a server said may hold anything. */
static void print_printable(const char *text)
{
	struct buf line = { 0 };

	text_append_printable(&line, slice_of(text));
	fwrite(buf_data(&line), 1, buf_len(&line), stdout);
	buf_done(&line);
}

/* "NAME: TEXT" */
static void print_trouble(const char *name, const char *text)
{
	fputs(style_begin(STYLE_BAD), stdout);
	print_printable(name);
	fputs(": ", stdout);
	print_printable(text);
	printf("%s\n", style_end(STYLE_BAD));
}

static void print_obstacles(const json_t *consumer)
{
	const json_t *obstacle;
	size_t i;

	json_array_foreach(json_object_get(consumer, "obstacles"), i, obstacle)
	{
		if (json_is_string(obstacle))
			print_trouble(get_text(consumer, "name"), json_string_value(obstacle));
	}
}

static void print_head(const json_t *status)
{
	struct buf up = { 0 };

	human_duration(&up, get_count(status, "uptime_ms"));
	printf("sluiced %s, instance %s on %s, process %llu: %s for %.*s\n\n",
	    get_text(status, "version"), get_text(status, "instance"), get_text(status, "hostname"),
	    (unsigned long long)get_count(status, "pid"), get_text(status, "state"),
	    (int)buf_len(&up), buf_data(&up));
	buf_done(&up);
}

static void print_all(const json_t *status)
{
	const json_t *consumers = json_object_get(status, "consumers"), *consumer;
	struct table *t = table_new("CONSUMER", "STATE", "CONNECTED", ">HELD", ">RUNNING", ">LAG",
	    ">PENDING", ">OLDEST", ">DEAD", "BREAKER", NULL);
	size_t i;

	print_head(status);
	json_array_foreach(consumers, i, consumer)
	{
		add_consumer(t, consumer);
	}
	table_print(t);
	table_free(t);
	json_array_foreach(consumers, i, consumer)
	{
		print_obstacles(consumer);
	}
}

/* ---- one of them */

static void print_pair(const char *name, const char *value)
{
	printf("%-12s ", name);
	print_printable(value);
	putchar('\n');
}

static void print_held(const json_t *consumer)
{
	const json_t *value;
	const char *key;
	void *i;

	printf("%-12s", "held");
	for (i = json_object_iter(json_object_get(consumer, "held")); i;
	     i = json_object_iter_next(json_object_get(consumer, "held"), i)) {
		key = json_object_iter_key(i);
		value = json_object_iter_value(i);
		printf(" %s %lld", key, (long long)json_integer_value(value));
	}
	putchar('\n');
}

static void print_handler(const json_t *consumer)
{
	const json_t *h = json_object_get(consumer, "handler"),
	             *timing = json_object_get(json_object_get(consumer, "timings"), "handler");
	size_t n_processes = json_array_size(json_object_get(h, "processes"));
	uint64_t n = get_count(timing, "count");
	struct buf mean = { 0 };

	printf("%-12s %s, concurrency %llu, window %llu, %zu process%s", "handler",
	    get_text(h, "mode"), (unsigned long long)get_count(h, "concurrency"),
	    (unsigned long long)get_count(h, "window"), n_processes, n_processes == 1 ? "" : "es");
	if (n) {
		top_duration(&mean, get_count(timing, "sum_ms") / n);
		printf("; a run takes %.*s", (int)buf_len(&mean), buf_data(&mean));
	}
	putchar('\n');
	buf_done(&mean);
}

static void print_counters(const json_t *consumer)
{
	json_t *counters = json_object_get(consumer, "counters");
	const char *before = "";

	printf("%-12s ", "counted");
	for (void *i = json_object_iter(counters); i; i = json_object_iter_next(counters, i)) {
		uint64_t n = get_count(counters, json_object_iter_key(i));

		if (!n)
			continue;
		printf("%s%s %llu", before, json_object_iter_key(i), (unsigned long long)n);
		before = ", ";
	}
	puts(*before ? "" : "nothing yet");
}

static void add_stream(struct table *t, const json_t *stream)
{
	const json_t *connected = json_object_get(stream, "connected");
	const char *group_state = get_text(stream, "group_state");
	struct figure_sum oldest = { 0 };

	oldest.is_known = get_u64(stream, "oldest_pending_ms", &oldest.value);
	table_styled(t, STYLE_NAME, get_text(stream, "stream"));
	table_styled(t, strcmp(group_state, "stopped") == 0 ? STYLE_BAD : STYLE_PLAIN, group_state);
	add_yes(t, get_bool(connected, "reader") && get_bool(connected, "command"));
	table_u64(t, get_count(stream, "held"));
	add_one(t, stream, "length");
	add_one(t, stream, "lag");
	add_one(t, stream, "pending");
	add_age(t, oldest);
	add_one(t, stream, "dead_letter_length");
}

static void print_complaint(const json_t *stream)
{
	const json_t *complaint = json_object_get(stream, "last_error");
	const char *fault = get_text(stream, "fault");
	struct buf age = { 0 };

	if (*fault)
		print_trouble(get_text(stream, "stream"), fault);
	if (!json_is_object(complaint))
		return;
	human_duration(&age, get_count(complaint, "age_ms"));
	print_printable(get_text(stream, "stream"));
	printf(", %.*s ago: ", (int)buf_len(&age), buf_data(&age));
	print_printable(get_text(complaint, "text"));
	putchar('\n');
	buf_done(&age);
}

static void print_streams(const json_t *streams)
{
	struct table *t = table_new("STREAM", "GROUP", "CONNECTED", ">HELD", ">LENGTH", ">LAG",
	    ">PENDING", ">OLDEST", ">DEAD", NULL);
	const json_t *stream;
	size_t i;

	putchar('\n');
	json_array_foreach(streams, i, stream)
	{
		add_stream(t, stream);
	}
	table_print(t);
	table_free(t);
	json_array_foreach(streams, i, stream)
	{
		print_complaint(stream);
	}
}

static void print_one(const json_t *consumer)
{
	print_pair("consumer", get_text(consumer, "name"));
	print_pair("state", get_text(consumer, "state"));
	print_pair("group", get_text(consumer, "group"));
	print_pair("name in it", get_text(consumer, "consumer"));
	print_pair("breaker", get_text(json_object_get(consumer, "breaker"), "state"));
	print_held(consumer);
	print_handler(consumer);
	print_counters(consumer);
	print_obstacles(consumer);
	print_streams(json_object_get(consumer, "streams"));
}

/* ---- the commands */

static void print_compact(const json_t *value)
{
	json_dumpf(value, stdout, JSON_COMPACT);
	putchar('\n');
}

static enum ctl_exit show_one(const struct ctl *c, json_t *status)
{
	json_t *consumer = daemon_consumer(status, c->args.name);

	if (!consumer) {
		complain("the daemon has no consumer \"%s\"", c->args.name);
		return CTL_MISSING;
	}
	if (c->json)
		print_compact(consumer);
	else
		print_one(consumer);
	return CTL_DONE;
}

static enum ctl_exit show(const struct ctl *c, struct daemonlink *l)
{
	json_t *document;
	enum ctl_exit status = ask_status(l, &document);

	if (status != CTL_DONE)
		return status;
	if (c->args.name)
		status = show_one(c, document);
	else if (c->json)
		print_compact(document);
	else
		print_all(document);
	json_decref(document);
	return status;
}

enum ctl_exit status_run(struct ctl *c)
{
	struct daemonlink *l = daemon_find(c);
	enum ctl_exit status = l ? show(c, l) : CTL_FAILED;

	daemonlink_free(l);
	return status;
}

static enum ctl_exit print_names_of_daemon(struct ctl *c)
{
	struct daemonlink *l = daemon_find(c);
	enum ctl_exit status = CTL_FAILED;
	json_t *document;
	const json_t *consumer;
	size_t i;

	if (l)
		status = daemon_ask_json(l, "GET", "/v1/status", &document);
	daemonlink_free(l);
	if (status != CTL_DONE)
		return status;
	json_array_foreach(json_object_get(document, "consumers"), i, consumer)
	{
		puts(get_text(consumer, "name"));
	}
	json_decref(document);
	return CTL_DONE;
}

enum ctl_exit names_run(struct ctl *c)
{
	const struct config *config =
	    args_has(&c->args, OPTION_SOCKET) || access(ctl_config_path(c), R_OK) ? NULL
	                                                                          : ctl_config(c);

	if (!config)
		return print_names_of_daemon(c);
	for (size_t i = 0; i < config->n_consumers; i++)
		puts(config->consumers[i].name);
	return CTL_DONE;
}
