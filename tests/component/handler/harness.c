/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/origin.h"

enum { PATIENCE_MS = 20000, LOOK_EVERY_MS = 2 };

extern char **environ;

static size_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* --- the pool's owner ------------------------------------------------------------------------- */

static void copy_slice(char *to, size_t size, struct slice from)
{
	size_t n = from.len < size - 1 ? from.len : size - 1;

	if (n)
		memcpy(to, from.data, n);
	to[n] = '\0';
}

static void on_verdict(void *owner, struct entry *e, const struct outcome *o)
{
	struct harness *h = owner;
	struct handed *handed = container_of(e, struct handed, entry);

	assert_null(e->run);
	handed->n_verdicts++;
	handed->outcome = *o;
	handed->order = ++h->n_verdicts;
	copy_slice(handed->detail, sizeof(handed->detail), o->detail);
	copy_slice(handed->stderr_tail, sizeof(handed->stderr_tail), o->stderr_tail);
	assert_int_equal(handed->n_verdicts, handed->n_handed);
	e->suspect = o->suspect;
}

static void on_room(void *owner)
{
	((struct harness *)owner)->n_rooms++;
}

static void on_drained(void *owner)
{
	((struct harness *)owner)->n_drained++;
}

static void on_broken(void *owner, const struct outcome *o)
{
	struct harness *h = owner;

	assert_int_equal(o->verdict, VERDICT_BROKEN);
	h->n_broken++;
	h->broken = *o;
	copy_slice(h->broken_detail, sizeof(h->broken_detail), o->detail);
}

/* --- settings --------------------------------------------------------------------------------- */

static void set_defaults(struct handler_settings *s)
{
	s->mode = HANDLER_EXEC;
	s->concurrency = s->window = 1;
	s->timeout_ms = 15000;
	s->kill_grace_ms = 5000;
	s->start_timeout_ms = 10000;
	s->working_directory = xstrdup("/");
	s->program = xstrdup("/bin/sh");
	exit_codes_default(&s->exit_codes);
}

/* Of a test that failed: its processes and its loop must not be in the way of the next one. */
static struct harness *unfinished;

static void abandon(struct harness *h)
{
	if (!h)
		return;
	pool_free(h->pool);
	loop_free(h->loop);
	while (waitpid(-1, NULL, 0) > 0)
		;
	close(h->log_fd);
}

struct harness *harness_new(void)
{
	struct harness *h = xcalloc(1, sizeof(*h));

	abandon(unfinished);
	unfinished = h;
	h->fds_before = count_fds();
	signal(SIGPIPE, SIG_IGN);
	h->log_fd = memfd_create("log", MFD_CLOEXEC);
	log_setup(&(struct log_settings){
	    .level = LEVEL_DEBUG,
	    .format = LOG_FORMAT_JSON,
	    .instance = "test",
	    .fd = h->log_fd,
	});
	h->loop = loop_new();
	h->host.loop = h->loop;
	h->host.environment = handler_environment_new(environ);
	h->origin = (struct origin){ .stream = "s", .group = "g", .consumer = "c" };
	h->origin.json = origin_json_new("s", "g", "c", &h->origin.json_len);
	set_defaults(&h->settings);
	h->settings.stdin_from = (struct stdin_settings){ STDIN_FIELD, xstrdup("how") };
	harness_script(h, "how=$(cat); eval \"$how\"");
	return h;
}

void harness_script(struct harness *h, const char *script)
{
	struct string_list *command = &h->settings.command;

	for (size_t i = 0; i < command->len; i++)
		free(command->items[i]);
	free(command->items);
	*command = (struct string_list){ .items = xcalloc(4, sizeof(char *)), .len = 3 };
	command->items[0] = xstrdup("sh");
	command->items[1] = xstrdup("-c");
	command->items[2] = xstrdup(script);
}

void harness_worker(struct harness *h, uint64_t window)
{
	h->settings.mode = HANDLER_WORKER;
	h->settings.window = window;
	harness_script(h, "while IFS= read -r entry; do "
	                  "tag=${entry#*:}; tag=${tag%%,*}; "
	                  "how=${entry#*\\\"how\\\":\\\"}; how=${how%%\\\"*}; "
	                  "eval \"$how\"; done");
}

void harness_start(struct harness *h)
{
	h->pool = pool_new(&(struct pool_spec){
	    .host = &h->host,
	    .settings = &h->settings,
	    .max_attempts = 8,
	    .consumer = "tested",
	    .events = { on_verdict, on_room, on_drained, on_broken },
	    .owner = h,
	});
	pool_start(h->pool);
	if (h->settings.mode == HANDLER_WORKER && !h->settings.ready)
		harness_wait_room(h, (uint32_t)(h->settings.concurrency * h->settings.window));
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct wait {
	struct harness *h;
	harness_condition *condition;
	const void *argument;
	uint64_t until_ms;
	ev_timer look;
	bool met;
};

static void on_look(struct ev_loop *ev, ev_timer *timer, int events)
{
	struct wait *w = timer->data;

	(void)ev;
	(void)events;
	w->met = w->condition(w->h, w->argument);
	if (w->met || clock_mono_ms() > w->until_ms)
		loop_stop(w->h->loop);
}

void harness_wait(struct harness *h, harness_condition *condition, const void *argument)
{
	struct wait w = { .h = h, .condition = condition, .argument = argument };

	w.until_ms = clock_mono_ms() + PATIENCE_MS;
	ev_timer_init(&w.look, on_look, 0., LOOK_EVERY_MS / 1000.);
	w.look.data = &w;
	ev_timer_start(loop_ev(h->loop), &w.look);
	loop_run(h->loop);
	ev_timer_stop(loop_ev(h->loop), &w.look);
	if (!w.met)
		fail_msg("waited in vain; the log:\n%.8000s", harness_log(h));
}

static bool is_all_settled(struct harness *h, const void *argument)
{
	(void)argument;
	return h->n_verdicts == h->n_handed;
}

void harness_wait_all(struct harness *h)
{
	harness_wait(h, is_all_settled, NULL);
}

static bool has_verdict(struct harness *h, const void *argument)
{
	const struct handed *e = argument;

	(void)h;
	return e->n_verdicts == e->n_handed;
}

void harness_wait_verdict(struct harness *h, struct handed *e)
{
	harness_wait(h, has_verdict, e);
}

static bool has_room(struct harness *h, const void *argument)
{
	return pool_room(h->pool) >= *(const uint32_t *)argument;
}

void harness_wait_room(struct harness *h, uint32_t room)
{
	harness_wait(h, has_room, &room);
}

static bool is_in_log(struct harness *h, const void *argument)
{
	return strstr(harness_log(h), argument) != NULL;
}

void harness_wait_log(struct harness *h, const char *text)
{
	harness_wait(h, is_in_log, text);
}

static bool file_exists(struct harness *h, const void *argument)
{
	(void)h;
	return access(argument, F_OK) == 0;
}

void harness_wait_file(struct harness *h, const char *path)
{
	harness_wait(h, file_exists, path);
}

static bool is_later(struct harness *h, const void *argument)
{
	(void)h;
	return clock_mono_ms() >= *(const uint64_t *)argument;
}

void harness_turn(struct harness *h, uint64_t ms)
{
	uint64_t until = clock_mono_ms() + ms;

	harness_wait(h, is_later, &until);
}

/* --- entries ---------------------------------------------------------------------------------- */

static void hand_over(struct harness *h, struct handed *e, const struct fields *f)
{
	assert_true(e->entry.suspect ? pool_room_alone(h->pool) : pool_room(h->pool) > 0);
	e->n_handed++;
	h->n_handed++;
	pool_offer(h->pool, &e->entry, f);
	assert_int_equal(e->n_verdicts, e->n_handed - 1);
	assert_int_equal(e->entry.tag, h->host.last_tag);
}

struct handed *harness_offer_fields(struct harness *h, const struct fields *f)
{
	struct handed *e = &h->handed[h->n_entries++ % HARNESS_ENTRIES];

	assert_int_equal(e->n_handed, e->n_verdicts);
	*e = (struct handed){ .entry.origin = &h->origin };
	e->entry.id = (struct entryid){ 1717200000000, h->n_entries };
	e->entry.attempts = 1;
	hand_over(h, e, f);
	return e;
}

struct handed *harness_offer(struct harness *h, const char *how)
{
	struct slice pair[2] = { slice_of("how"), slice_of(how) };

	return harness_offer_fields(h, &(struct fields){ .n_pairs = 1, .slices = pair });
}

void harness_offer_again(struct harness *h, struct handed *e, const char *how)
{
	struct slice pair[2] = { slice_of("how"), slice_of(how) };

	hand_over(h, e, &(struct fields){ .n_pairs = 1, .slices = pair });
}

struct pump {
	const char *how;
	unsigned left;
};

static bool pump(struct harness *h, const void *argument)
{
	struct pump *p = (struct pump *)(uintptr_t)argument;

	while (p->left && pool_room(h->pool)) {
		harness_offer(h, p->how);
		p->left--;
	}
	return !p->left && h->n_verdicts == h->n_handed;
}

void harness_pump(struct harness *h, const char *how, unsigned n)
{
	struct pump p = { how, n };

	harness_wait(h, pump, &p);
}

/* --- looking ---------------------------------------------------------------------------------- */

const char *harness_log(struct harness *h)
{
	struct stat st;
	ssize_t n;

	log_flush();
	fstat(h->log_fd, &st);
	free(h->log);
	h->log = xmalloc((size_t)st.st_size + 1);
	n = pread(h->log_fd, h->log, (size_t)st.st_size, 0);
	h->log[n < 0 ? 0 : n] = '\0';
	return h->log;
}

unsigned harness_log_count(struct harness *h, const char *text)
{
	unsigned n = 0;

	for (const char *p = harness_log(h); (p = strstr(p, text)); p += strlen(text))
		n++;
	return n;
}

void assert_outcome(const struct handed *e, enum verdict verdict, enum failure failure,
    bool charged)
{
	const struct outcome *o = &e->outcome;

	assert_int_equal(e->n_verdicts, e->n_handed);
	if (o->verdict != verdict || o->failure != failure || o->charged != charged)
		fail_msg("%s/%s/%s instead of %s/%s/%s (%s)", verdict_word(o->verdict),
		    failure_word(o->failure), o->charged ? "charged" : "not charged",
		    verdict_word(verdict), failure_word(failure),
		    charged ? "charged" : "not charged", e->detail);
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool is_drained(struct harness *h, const void *argument)
{
	(void)argument;
	return h->n_drained > 0;
}

static bool no_child_left(struct harness *h, const void *argument)
{
	siginfo_t info;

	(void)h;
	(void)argument;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void stop_pool(struct harness *h)
{
	if (!h->no_verdicts) {
		pool_drain(h->pool);
		harness_wait(h, is_drained, NULL);
		assert_int_equal(h->n_drained, 1);
		assert_int_equal(pool_processes(h->pool), 0);
		assert_int_equal(h->n_verdicts, h->n_handed);
	}
	pool_free(h->pool);
	harness_wait(h, no_child_left, NULL);
}

static void free_settings(struct handler_settings *s)
{
	for (size_t i = 0; i < s->command.len; i++)
		free(s->command.items[i]);
	free(s->command.items);
	free(s->program);
	free(s->working_directory);
	free(s->stdin_from.field);
}

void harness_done(struct harness *h)
{
	unfinished = NULL;
	if (h->pool)
		stop_pool(h);
	for (unsigned i = 0; i < HARNESS_ENTRIES && !h->no_verdicts; i++)
		assert_int_equal(h->handed[i].n_handed, h->handed[i].n_verdicts);
	loop_free(h->loop);
	log_flush();
	log_setup(&(struct log_settings){ .level = LEVEL_INFO,
	    .format = LOG_FORMAT_TEXT,
	    .instance = "default",
	    .fd = 2 });
	close(h->log_fd);
	handler_environment_free(h->host.environment);
	free(h->origin.json);
	free_settings(&h->settings);
	free(h->log);
	assert_int_equal(count_fds(), h->fds_before);
	free(h);
}
