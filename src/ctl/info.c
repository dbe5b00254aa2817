/* SPDX-License-Identifier: MIT */
#include "ctl/info.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ctl/fields.h"
#include "ctl/output.h"
#include "ctl/target.h"

/* A number that Redis may not tell. */
struct maybe {
	bool is_known;
	uint64_t value;
};

struct consumer_row {
	char *name;
	uint64_t pending, idle_ms;
	struct maybe inactive_ms; /* from Redis 7.2 on, and once it has been given something */
};

/* What is known of a stream and its group. */
struct info {
	const struct target *target;
	uint64_t now_ms;

	bool is_unknown; /* Redis does not tell whether it exists */
	bool exists;
	uint64_t length;
	struct entryid first, last; /* 0-0 in an empty stream */
	struct maybe memory, n_dead;

	bool has_group;
	struct entryid last_delivered;
	struct maybe lag;
	uint64_t pending, n_consumers;
	struct entryid oldest; /* 0-0: nothing is pending */
	struct consumer_row *consumers;
	size_t n_rows;
};

static void info_done(struct info *i)
{
	for (size_t n = 0; n < i->n_rows; n++)
		free(i->consumers[n].name);
	free(i->consumers);
}

/* ---- questions: 0; -ENOTCONN, or -EIO for an error reply, after telling it on standard error */

static struct maybe number_of(const struct reply *r)
{
	if (!r || r->type != REPLY_INTEGER || r->integer < 0)
		return (struct maybe){ 0 };
	return (struct maybe){ true, (uint64_t)r->integer };
}

static struct entryid id_of(const struct reply *r)
{
	struct entryid id = { 0 };

	(void)!entryid_parse(reply_text(r), &id); /* written only on success */
	return id;
}

/* The answer; NULL with 0 where the stream or the group is not there. */
static int ask_of(struct place *p, const struct reply **ret_answer)
{
	const struct reply *r = ask(p);

	*ret_answer = NULL;
	if (!r)
		return -ENOTCONN;
	if (reply_is_error(r)) {
		if (redis_error_class(r->text) == REDIS_NOGROUP)
			return 0;
		place_complain(p, r);
		return -EIO;
	}
	*ret_answer = r;
	return 0;
}

static int look_at_stream(struct place *p, struct info *i)
{
	const struct reply *r;
	int error;

	place_words(p, "XINFO", "STREAM", i->target->stream, NULL);
	error = ask_of(p, &r);
	i->is_unknown = error;
	if (error || !r)
		return error;
	i->exists = true;
	i->length = number_of(xinfo_field(r, "length")).value;
	i->first = id_of(reply_at(xinfo_field(r, "first-entry"), 0));
	i->last = id_of(reply_at(xinfo_field(r, "last-entry"), 0));
	/* A right that the daemon does not need. */
	place_words(p, "MEMORY", "USAGE", i->target->stream, NULL);
	r = ask(p);
	i->memory = number_of(r);
	return r ? 0 : -ENOTCONN;
}

static int look_at_group(struct place *p, struct info *i)
{
	const struct reply *r, *group;
	int error;

	place_words(p, "XINFO", "GROUPS", i->target->stream, NULL);
	error = ask_of(p, &r);
	group = xinfo_named(r, i->target->group);
	if (error || !group)
		return error;
	i->has_group = true;
	i->last_delivered = id_of(xinfo_field(group, "last-delivered-id"));
	i->lag = number_of(xinfo_field(group, "lag"));
	i->pending = number_of(xinfo_field(group, "pending")).value;
	i->n_consumers = number_of(xinfo_field(group, "consumers")).value;
	place_words(p, "XPENDING", i->target->stream, i->target->group, "-", "+", "1", NULL);
	error = ask_of(p, &r);
	if (r)
		i->oldest = id_of(reply_at(reply_at(r, 0), 0));
	return error;
}

static struct consumer_row consumer_row_of(const struct reply *r)
{
	struct slice name = reply_text(xinfo_field(r, "name"));

	return (struct consumer_row){
		.name = xstrndup(name.data, name.len),
		.pending = number_of(xinfo_field(r, "pending")).value,
		.idle_ms = number_of(xinfo_field(r, "idle")).value,
		.inactive_ms = number_of(xinfo_field(r, "inactive")),
	};
}

static int look_at_consumers(struct place *p, struct info *i)
{
	const struct reply *r;
	int error;

	if (!i->has_group)
		return 0;
	place_words(p, "XINFO", "CONSUMERS", i->target->stream, i->target->group, NULL);
	error = ask_of(p, &r);
	if (!reply_len(r))
		return error;
	i->consumers = xcalloc(reply_len(r), sizeof(*i->consumers));
	i->n_rows = reply_len(r);
	for (size_t n = 0; n < i->n_rows; n++)
		i->consumers[n] = consumer_row_of(reply_at(r, n));
	return 0;
}

static int look_at_dead_letters(struct link *l, struct info *i)
{
	const char *key = i->target->dead_letters;
	const struct reply *r;
	struct place p;
	int error;

	if (!key)
		return 0;
	if (place_open(l, key, &p))
		return -ENOTCONN;
	place_words(&p, "XLEN", key, NULL);
	error = ask_of(&p, &r);
	i->n_dead = number_of(r);
	place_close(&p);
	return error;
}

static int look(struct ctl *c, struct target *t, struct info *i)
{
	int error;

	*i = (struct info){ .target = t, .now_ms = clock_wall_ms() };
	if (target_open(c, t) != CTL_DONE)
		return -ENOTCONN;
	error = look_at_stream(&t->place, i);
	if (!error)
		error = look_at_group(&t->place, i);
	if (!error)
		error = look_at_consumers(&t->place, i);
	if (!error)
		error = look_at_dead_letters(c->link, i);
	return error;
}

/* ---- for people */

static void cell_maybe(struct table *t, const struct maybe *m, const char *unknown)
{
	if (m->is_known)
		table_u64(t, m->value);
	else
		table_styled(t, STYLE_DIM, unknown);
}

static void cell_age(struct table *t, struct entryid id, uint64_t now_ms)
{
	uint64_t age_ms;

	if (id_age_ms(id, now_ms, &age_ms))
		table_duration(t, age_ms);
	else
		table_none(t);
}

static void add_summary(struct table *t, const struct info *i)
{
	table_text(t, slice_of(i->target->stream));
	if (i->exists)
		table_u64(t, i->length);
	else
		table_none(t);
	cell_maybe(t, &i->lag, i->has_group ? "?" : "-");
	cell_maybe(t, &(struct maybe){ i->has_group, i->pending }, "-");
	cell_age(t, i->oldest, i->now_ms);
	cell_maybe(t, &(struct maybe){ i->has_group, i->n_consumers }, "-");
	cell_maybe(t, &i->n_dead, "-");
}

static void print_id(const char *what, struct entryid id, uint64_t now_ms)
{
	struct buf age = { 0 };
	uint64_t age_ms;

	printf("%-16s%s", what, entryid_text(id).text);
	if (id_age_ms(id, now_ms, &age_ms)) {
		human_duration(&age, age_ms);
		printf("  %s%.*s ago%s", style_begin(STYLE_DIM), (int)buf_len(&age), buf_data(&age),
		    style_end(STYLE_DIM));
	}
	putchar('\n');
	buf_done(&age);
}

static void print_missing(const struct info *i)
{
	if (!i->exists)
		printf("The stream %s is not there.\n", i->target->stream);
	else if (!i->has_group)
		printf("The stream %s has no group %s.\n", i->target->stream, i->target->group);
}

static void print_ids(const struct info *i)
{
	if (i->length) {
		print_id("first entry", i->first, i->now_ms);
		print_id("last entry", i->last, i->now_ms);
	}
	if (i->has_group)
		print_id("last delivered", i->last_delivered, i->now_ms);
	if (!entryid_is_zero(i->oldest))
		print_id("oldest pending", i->oldest, i->now_ms);
	if (i->memory.is_known)
		printf("%-16s%llu KiB\n", "memory",
		    (unsigned long long)((i->memory.value + 1023) / 1024));
	if (i->target->dead_letters)
		printf("%-16s%s\n", "dead letters", i->target->dead_letters);
}

static bool is_configured(const struct info *i, const struct consumer_row *row)
{
	return i->target->consumer && strcmp(row->name, i->target->consumer) == 0;
}

static void print_consumers(const struct info *i)
{
	struct table *t = table_new("CONSUMER", ">PENDING", ">IDLE", ">INACTIVE", "", NULL);

	for (size_t n = 0; n < i->n_rows; n++) {
		const struct consumer_row *row = &i->consumers[n];

		table_text(t, slice_of(row->name));
		table_u64(t, row->pending);
		table_duration(t, row->idle_ms);
		if (row->inactive_ms.is_known)
			table_duration(t, row->inactive_ms.value);
		else
			table_none(t);
		table_styled(t, STYLE_GOOD, is_configured(i, row) ? "configured" : "");
	}
	if (i->n_rows) {
		putchar('\n');
		table_print(t);
	}
	table_free(t);
}

static void print_details(const struct info *i)
{
	if (i->is_unknown)
		return;
	putchar('\n');
	print_missing(i);
	if (i->exists)
		print_ids(i);
	print_consumers(i);
}

/* ---- for programs */

static void json_id(struct json *j, const char *key, struct entryid id)
{
	if (entryid_is_zero(id))
		json_pair_null(j, key);
	else
		json_pair_id(j, key, id);
}

static void json_age(struct json *j, const char *key, struct entryid id, uint64_t now_ms)
{
	uint64_t age_ms = 0;
	bool is_known = id_age_ms(id, now_ms, &age_ms);

	json_pair_maybe_u64(j, key, is_known, age_ms);
}

static void json_consumers(struct json *j, const struct info *i)
{
	json_key(j, "consumers");
	json_array_begin(j);
	for (size_t n = 0; n < i->n_rows; n++) {
		const struct consumer_row *row = &i->consumers[n];

		json_object_begin(j);
		json_pair_text(j, "name", row->name);
		json_pair_bool(j, "configured", is_configured(i, row));
		json_pair_u64(j, "pending", row->pending);
		json_pair_u64(j, "idle_ms", row->idle_ms);
		json_pair_maybe_u64(j, "inactive_ms", row->inactive_ms.is_known,
		    row->inactive_ms.value);
		json_object_end(j);
	}
	json_array_end(j);
}

static void json_group(struct json *j, const struct info *i)
{
	json_object_begin(j);
	json_pair_text(j, "name", i->target->group);
	json_pair_bool(j, "exists", i->has_group);
	if (i->has_group) {
		json_pair_id(j, "last_delivered_id", i->last_delivered);
		json_pair_maybe_u64(j, "lag", i->lag.is_known, i->lag.value);
		json_pair_u64(j, "pending", i->pending);
		json_id(j, "oldest_pending_id", i->oldest);
		json_age(j, "oldest_pending_age_ms", i->oldest, i->now_ms);
		json_consumers(j, i);
	}
	json_object_end(j);
}

static void json_info(struct json *j, const struct info *i)
{
	json_object_begin(j);
	json_pair_text(j, "stream", i->target->stream);
	if (i->is_unknown)
		json_pair_null(j, "exists");
	else
		json_pair_bool(j, "exists", i->exists);
	json_pair_u64(j, "length", i->length);
	json_id(j, "first_id", i->first);
	json_age(j, "first_age_ms", i->first, i->now_ms);
	json_id(j, "last_id", i->last);
	json_age(j, "last_age_ms", i->last, i->now_ms);
	json_pair_maybe_u64(j, "memory_bytes", i->memory.is_known, i->memory.value);
	json_pair_text(j, "dead_letter_stream", i->target->dead_letters);
	json_pair_maybe_u64(j, "dead_letters", i->n_dead.is_known, i->n_dead.value);
	json_key(j, "group");
	json_group(j, i);
	json_object_end(j);
}

/* ---- the command */

/* What one stream cannot tell does not hide the others; without a connection there is no more to
 * see. */
struct tour {
	struct ctl *c;
	struct targets *targets;
	size_t next;
	enum ctl_exit status;
};

/* False at the end. */
static bool look_at_next(struct tour *tour, struct info *ret_info)
{
	int error;

	if (tour->next == tour->targets->len)
		return false;
	error = look(tour->c, &tour->targets->items[tour->next++], ret_info);
	if (error)
		tour->status = CTL_FAILED;
	if (error == -ENOTCONN)
		info_done(ret_info);
	return error != -ENOTCONN;
}

static void print_all_json(struct tour *tour)
{
	struct buf text = { 0 };
	struct json j = { .to = &text };
	struct info i;

	json_object_begin(&j);
	json_key(&j, "streams");
	json_array_begin(&j);
	while (look_at_next(tour, &i)) {
		json_info(&j, &i);
		info_done(&i);
	}
	json_array_end(&j);
	json_object_end(&j);
	print_json(&text);
	buf_done(&text);
}

static void print_one(struct tour *tour, struct table *t)
{
	struct info i;

	if (!look_at_next(tour, &i))
		return;
	add_summary(t, &i);
	table_print(t);
	print_details(&i);
	info_done(&i);
}

static void print_all(struct tour *tour)
{
	struct table *t = table_new("STREAM", ">LENGTH", ">LAG", ">PENDING", ">OLDEST",
	    ">CONSUMERS", ">DEAD", NULL);
	struct info i;

	if (tour->targets->len == 1) {
		print_one(tour, t);
	} else {
		while (look_at_next(tour, &i)) {
			add_summary(t, &i);
			info_done(&i);
		}
		table_print(t);
	}
	table_free(t);
}

enum ctl_exit info_run(struct ctl *c)
{
	struct targets targets;
	enum ctl_exit status = targets_find(c, &targets);
	struct tour tour = { .c = c, .targets = &targets, .status = CTL_DONE };

	if (status != CTL_DONE)
		return status;
	if (c->json)
		print_all_json(&tour);
	else
		print_all(&tour);
	targets_done(&targets);
	return tour.status;
}
