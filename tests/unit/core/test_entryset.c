/* SPDX-License-Identifier: MIT */
/* The table of moves, cell by cell, and a random walk beside a model that has only arrays. */
#include "core/entryset.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rng.h"

/* ---- the table ---- */

/* A row for each state that is left, a column for each that is entered, in the order of the rows.
 */
static const struct {
	const char *word, *to;
} life[ENTRY_STATE_COUNT] = {
	[ENTRY_WAITING] = { "waiting", "xx....xxx" },
	[ENTRY_BEGINNING] = { "waiting", "x..x..x.x" },
	[ENTRY_CHECKING] = { "ready", "x..x.x.xx" },
	[ENTRY_READY] = { "ready", "x.x.x.xxx" },
	[ENTRY_RUNNING] = { "running", "x....xxxx" },
	[ENTRY_ACKING] = { "acking", "........x" },
	[ENTRY_BURYING] = { "burying", "........x" },
	[ENTRY_RELEASING] = { "waiting", "........x" },
	[ENTRY_GONE] = { "gone", "........." },
};

static bool may(enum entry_state from, enum entry_state to)
{
	return life[from].to[to] == 'x';
}

static void test_words(void **unused)
{
	(void)unused;
	for (int s = 0; s < ENTRY_STATE_COUNT; s++)
		assert_string_equal(entry_state_word(s), life[s].word);
}

static void test_every_cell(void **unused)
{
	(void)unused;
	for (int from = 0; from < ENTRY_STATE_COUNT; from++) {
		for (int to = 0; to < ENTRY_STATE_COUNT; to++) {
			if (entry_state_allows(from, to) != may(from, to))
				fail_msg("%s to %d", life[from].word, to);
		}
	}
}

static struct entry *add_in_state(struct entryset *es, struct entryid id, enum entry_state state)
{
	static const struct {
		bool ready;
		enum entry_state then;
	} ways[ENTRY_STATE_COUNT] = {
		[ENTRY_WAITING] = { false, ENTRY_STATE_COUNT },
		[ENTRY_BEGINNING] = { false, ENTRY_BEGINNING },
		[ENTRY_CHECKING] = { true, ENTRY_CHECKING },
		[ENTRY_READY] = { true, ENTRY_STATE_COUNT },
		[ENTRY_RUNNING] = { true, ENTRY_RUNNING },
		[ENTRY_ACKING] = { true, ENTRY_RUNNING },
		[ENTRY_BURYING] = { true, ENTRY_BURYING },
		[ENTRY_RELEASING] = { false, ENTRY_RELEASING },
	};
	struct entry *e =
	    ways[state].ready ? entryset_add_ready(es, id, 10) : entryset_add_waiting(es, id, 10);

	if (ways[state].then != ENTRY_STATE_COUNT)
		entryset_move(es, e, ways[state].then);
	if (state == ENTRY_ACKING)
		entryset_move(es, e, ENTRY_ACKING);
	return e;
}

static void move(struct entryset *es, struct entry *e, enum entry_state to)
{
	if (to == ENTRY_WAITING)
		entryset_wait(es, e, 1000);
	else if (to == ENTRY_GONE)
		entryset_forget(es, e);
	else
		entryset_move(es, e, to);
}

static void assert_alone_in(const struct entryset *es, const struct entry_totals *totals,
    enum entry_state state)
{
	for (int s = 0; s < ENTRY_STATE_COUNT; s++) {
		size_t n = s == (int)state && state != ENTRY_GONE;

		assert_int_equal(entryset_count(es, s), n);
		assert_int_equal(totals->in[s], n);
	}
	assert_int_equal(es->due.len, state == ENTRY_WAITING);
	assert_int_equal(es->n_held, state != ENTRY_GONE);
	assert_int_equal(totals->n_held, state != ENTRY_GONE);
}

static void test_every_allowed_move(void **unused)
{
	(void)unused;
	for (int from = 0; from < ENTRY_GONE; from++) {
		for (int to = 0; to < ENTRY_STATE_COUNT; to++) {
			struct entry_totals totals = { 0 };
			struct entryset es;

			if (!may(from, to))
				continue;
			entryset_init(&es, &totals);
			move(&es, add_in_state(&es, (struct entryid){ 7, 7 }, from), to);
			assert_alone_in(&es, &totals, to);
			entryset_done(&es);
			assert_int_equal(totals.n_held, 0);
		}
	}
}

/* A forbidden move is a bug of ours and ends the process: seen from a child. */
static int status_of_move(enum entry_state from, enum entry_state to)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct entry_totals totals = { 0 };
		struct entryset es;

		signal(SIGABRT, SIG_DFL);
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		entryset_init(&es, &totals);
		move(&es, add_in_state(&es, (struct entryid){ 1, 1 }, from), to);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_every_forbidden_move_aborts(void **unused)
{
	(void)unused;
	for (int from = 0; from < ENTRY_GONE; from++) {
		for (int to = 0; to < ENTRY_STATE_COUNT; to++) {
			int status;

			if (may(from, to))
				continue;
			status = status_of_move(from, to);
			if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
				fail_msg("%s to %d: status %x", life[from].word, to, status);
		}
	}
}

/* ---- the random walk ---- */

enum { N_SETS = 3, N_IDS = 300, N_STEPS = 30000 };

struct model_entry {
	struct entry *e; /* NULL: not held */
	enum entry_state state;
	uint64_t due_at_ms, state_place, fresh_at_ms;
	int64_t lease_place;
	bool put_off;
	uint32_t bytes;
};

struct walk {
	struct rng rng;
	uint64_t now_ms, place;
	int64_t front; /* of the order of freshness: goes down */
	uint64_t shared_bytes;
	struct entry_totals totals;
	struct entryset sets[N_SETS];
	struct model_entry model[N_SETS][N_IDS];
};

/* Ids that lie close in both halves: the table of held ids has to tell them apart. */
static struct entryid id_of(int i)
{
	return (struct entryid){ 1700000000000u + i / 7, i % 7 };
}

static bool keeps_lease(enum entry_state s)
{
	return s != ENTRY_ACKING && s != ENTRY_RELEASING && s != ENTRY_GONE;
}

static bool keeps_bytes(enum entry_state s)
{
	return s == ENTRY_CHECKING || s == ENTRY_READY || s == ENTRY_RUNNING;
}

static bool may_have_payload(enum entry_state s)
{
	return s == ENTRY_CHECKING || s == ENTRY_READY;
}

static bool may_have_guard_key(enum entry_state s)
{
	return keeps_bytes(s) || s == ENTRY_ACKING;
}

static void step_add(struct walk *w, struct entryset *es, struct model_entry *m, int i)
{
	bool ready = rng_between(&w->rng, 0, 1);

	m->e = ready ? entryset_add_ready(es, id_of(i), w->now_ms)
	             : entryset_add_waiting(es, id_of(i), w->now_ms);
	m->state = ready ? ENTRY_READY : ENTRY_WAITING;
	m->due_at_ms = m->fresh_at_ms = w->now_ms;
	m->bytes = 0;
	m->state_place = ++w->place;
	m->lease_place = (int64_t)w->place;
	m->put_off = false;
}

static bool may_be_put_off(enum entry_state s)
{
	return s == ENTRY_WAITING || s == ENTRY_BEGINNING;
}

static void step_move(struct walk *w, struct entryset *es, struct model_entry *m)
{
	enum entry_state to = (enum entry_state)rng_between(&w->rng, 0, ENTRY_GONE);

	if (!may(m->state, to))
		return;
	m->due_at_ms = w->now_ms + rng_between(&w->rng, 0, 50);
	if (to == ENTRY_WAITING)
		entryset_wait(es, m->e, m->due_at_ms);
	else
		move(es, m->e, to);
	m->state = to;
	m->state_place = ++w->place;
	if (m->put_off && !may_be_put_off(to)) {
		m->put_off = false;
		m->lease_place = --w->front;
	}
	if (!keeps_bytes(to))
		m->bytes = 0;
	if (to == ENTRY_GONE)
		m->e = NULL;
}

static void step_payload(struct walk *w, struct entryset *es, struct model_entry *m)
{
	struct slice pair[] = { { "name", 4 }, { "value", 5 } };
	struct fields f = { 1, pair };

	if (m->state != ENTRY_READY || m->bytes)
		return;
	m->e->payload = fields_pack(&f);
	if (!m->e->guard_key) {
		m->e->guard_key = xstrdup("orders:once:1-1");
		m->e->guard_key_len = 15;
	}
	m->bytes = (uint32_t)rng_between(&w->rng, 0, 100000);
	entryset_account(es, m->e, m->bytes);
	if (!m->bytes) {
		free(m->e->payload);
		m->e->payload = NULL;
	}
}

static void step_failure(struct model_entry *m)
{
	if (m->e->last_failure)
		return;
	m->e->last_failure = xcalloc(1, sizeof(*m->e->last_failure));
	m->e->last_failure->detail = xstrdup("exit status 1");
	m->e->last_failure->stderr_tail = xstrdup("boom");
}

static void step_freshen(struct walk *w, struct entryset *es, struct model_entry *m)
{
	m->fresh_at_ms = w->now_ms;
	entryset_freshen(es, m->e, w->now_ms);
	if (!keeps_lease(m->state))
		return;
	m->lease_place = (int64_t)++w->place;
	m->put_off = false;
}

/* Whatever entry is first in the order of freshness. */
static void step_put_off(struct walk *w, int set)
{
	struct entryset *es = &w->sets[set];
	struct list_node *node = list_first(&es->by_freshness);

	for (int i = 0; node && i < N_IDS; i++) {
		struct model_entry *m = &w->model[set][i];

		if (!m->e || node != &m->e->lease_node || m->state != ENTRY_WAITING)
			continue;
		entryset_put_off_lease(es, m->e);
		m->put_off = true;
		m->lease_place = (int64_t)++w->place;
		return;
	}
}

static void step_requeue(struct walk *w, struct entryset *es, struct model_entry *m)
{
	if (rng_between(&w->rng, 0, 1)) {
		entryset_requeue(es, m->e);
		m->state_place = ++w->place;
	} else if (keeps_lease(m->state)) {
		entryset_requeue_lease(es, m->e);
		m->lease_place = (int64_t)++w->place;
		m->put_off = false;
	}
}

static void step(struct walk *w)
{
	int set = (int)rng_between(&w->rng, 0, N_SETS - 1);
	int i = (int)rng_between(&w->rng, 0, N_IDS - 1);
	struct entryset *es = &w->sets[set];
	struct model_entry *m = &w->model[set][i];

	w->now_ms += rng_between(&w->rng, 0, 2);
	assert_ptr_equal(entryset_find(es, id_of(i)), m->e);
	if (!m->e) {
		step_add(w, es, m, i);
		return;
	}
	switch (rng_between(&w->rng, 0, 8)) {
	case 0:
		step_payload(w, es, m);
		break;
	case 1:
		step_freshen(w, es, m);
		break;
	case 2:
		step_requeue(w, es, m);
		break;
	case 3:
		step_failure(m);
		break;
	case 4:
		step_put_off(w, set);
		break;
	default:
		step_move(w, es, m);
	}
}

/* ---- what must hold after each step ---- */

static const struct model_entry *model_of(const struct walk *w, int set, const struct entry *e)
{
	for (int i = 0; i < N_IDS; i++) {
		if (w->model[set][i].e == e)
			return &w->model[set][i];
	}
	fail_msg("an entry that nobody put there");
	return NULL;
}

static void check_state_list(const struct walk *w, int set, enum entry_state state)
{
	const struct entryset *es = &w->sets[set];
	uint64_t before = 0;
	size_t n = 0, expected = 0;

	list_foreach(&es->in[state], node) {
		const struct entry *e = container_of(node, struct entry, node);
		const struct model_entry *m = model_of(w, set, e);

		assert_int_equal(m->state, state);
		assert_int_equal(e->state, state);
		assert_true(m->state_place > before);
		before = m->state_place;
		n++;
	}
	for (int i = 0; i < N_IDS; i++)
		expected += w->model[set][i].e && w->model[set][i].state == state;
	assert_int_equal(n, expected);
	assert_int_equal(entryset_count(es, state), expected);
}

static void check_leases(const struct walk *w, int set, const struct list *leases, bool put_off)
{
	int64_t before = INT64_MIN;
	size_t n = 0, expected = 0;

	list_foreach(leases, node) {
		const struct entry *e = container_of(node, struct entry, lease_node);
		const struct model_entry *m = model_of(w, set, e);

		assert_true(m->lease_place > before);
		assert_int_equal(e->fresh_at_ms, m->fresh_at_ms);
		before = m->lease_place;
		n++;
	}
	for (int i = 0; i < N_IDS; i++) {
		const struct model_entry *m = &w->model[set][i];

		expected += m->e && keeps_lease(m->state) && m->put_off == put_off;
	}
	assert_int_equal(n, expected);
	assert_int_equal(leases->len, expected);
}

static void check_freshness(const struct walk *w, int set)
{
	const struct entryset *es = &w->sets[set];

	check_leases(w, set, &es->by_freshness, false);
	check_leases(w, set, &es->put_off, true);
	assert_int_equal(entryset_n_leased(es), es->by_freshness.len + es->put_off.len);
}

static void check_due_and_lowest(const struct walk *w, int set)
{
	const struct entryset *es = &w->sets[set];
	uint64_t first = UINT64_MAX;
	const struct entry *due = entryset_first_due(es);
	int lowest = -1;
	struct entryid id;

	for (int i = 0; i < N_IDS; i++) {
		const struct model_entry *m = &w->model[set][i];

		if (m->e && m->state == ENTRY_WAITING && m->due_at_ms < first)
			first = m->due_at_ms;
		if (m->e && lowest < 0)
			lowest = i;
	}
	assert_int_equal(due != NULL, first != UINT64_MAX);
	assert_true(!due || model_of(w, set, due)->due_at_ms == first);
	assert_int_equal(entryset_lowest(es, &id), lowest >= 0);
	assert_true(lowest < 0 || entryid_compare(id, id_of(lowest)) == 0);
}

static void check_totals(const struct walk *w)
{
	struct entry_totals expected = { 0 };

	for (int set = 0; set < N_SETS; set++) {
		size_t held = 0;

		for (int i = 0; i < N_IDS; i++) {
			const struct model_entry *m = &w->model[set][i];

			if (!m->e)
				continue;
			held++;
			expected.in[m->state]++;
			expected.bytes += m->bytes;
			assert_int_equal(m->e->bytes, m->bytes);
			assert_true(may_have_payload(m->state) || !m->e->payload);
			assert_true(!m->bytes || !may_have_payload(m->state) || m->e->payload);
			assert_true(may_have_guard_key(m->state) || !m->e->guard_key);
		}
		assert_int_equal(w->sets[set].n_held, held);
		expected.n_held += held;
	}
	assert_memory_equal(expected.in, w->totals.in, sizeof(expected.in));
	assert_int_equal(w->totals.n_held, expected.n_held);
	assert_int_equal(w->totals.bytes, expected.bytes);
	assert_int_equal(w->shared_bytes, expected.bytes);
}

static void check_all(const struct walk *w)
{
	check_totals(w);
	for (int set = 0; set < N_SETS; set++) {
		for (int state = 0; state < ENTRY_STATE_COUNT; state++)
			check_state_list(w, set, state);
		check_freshness(w, set);
		check_due_and_lowest(w, set);
	}
}

static void walk_from(uint64_t seed)
{
	struct walk *w = xcalloc(1, sizeof(*w));

	w->rng.state = seed;
	w->totals.shared_bytes = &w->shared_bytes;
	for (int set = 0; set < N_SETS; set++)
		entryset_init(&w->sets[set], &w->totals);
	for (int i = 0; i < N_STEPS; i++) {
		step(w);
		if (i % 97 == 0)
			check_all(w);
	}
	check_all(w);
	entryset_done(&w->sets[0]);
	memset(w->model[0], 0, sizeof(w->model[0]));
	for (int set = 1; set < N_SETS; set++)
		check_state_list(w, set, ENTRY_WAITING);
	for (int set = 1; set < N_SETS; set++)
		entryset_done(&w->sets[set]);
	memset(w->model, 0, sizeof(w->model));
	assert_int_equal(w->totals.n_held, 0);
	assert_int_equal(w->totals.bytes, 0);
	assert_int_equal(w->shared_bytes, 0);
	for (int state = 0; state < ENTRY_STATE_COUNT; state++)
		assert_int_equal(w->totals.in[state], 0);
	free(w);
}

static void test_random_walk(void **unused)
{
	(void)unused;
	for (uint64_t seed = 1; seed <= 4; seed++)
		walk_from(seed);
}

/* ---- single properties ---- */

static void test_due_order(void **unused)
{
	enum { N = 500 };
	struct entry_totals totals = { 0 };
	struct entryset es;
	struct rng r = { 5 };
	uint64_t before = 0;

	(void)unused;
	entryset_init(&es, &totals);
	for (int i = 0; i < N; i++) {
		struct entry *e = entryset_add_waiting(&es, id_of(i), 0);

		entryset_wait(&es, e, rng_between(&r, 0, 100));
		if (i % 3 == 0)
			entryset_wait(&es, e, rng_between(&r, 0, 100));
	}
	for (int i = 0; i < N; i++) {
		struct entry *e = entryset_first_due(&es);

		assert_true(e->due.key >= before);
		before = e->due.key;
		entryset_move(&es, e, ENTRY_BEGINNING);
	}
	assert_null(entryset_first_due(&es));
	entryset_done(&es);
}

/* What is taken from the memory of forgotten entries must carry nothing over. */
static void test_memory_is_used_again_clean(void **unused)
{
	struct entry_totals totals = { 0 };
	static const struct entry fresh;
	struct entryset es;
	struct entry *e;

	(void)unused;
	entryset_init(&es, &totals);
	e = entryset_add_ready(&es, id_of(1), 5);
	e->suspect = e->trimmed = e->asked = e->lost = true;
	e->attempts = 9;
	e->first_wall_ms = e->last_wall_ms = e->tag = e->release_delay_ms = 8;
	entryset_forget(&es, e);
	e = entryset_add_waiting(&es, id_of(2), 6);
	assert_false(e->suspect || e->trimmed || e->asked || e->lost);
	assert_int_equal(e->attempts, fresh.attempts);
	assert_int_equal(e->first_wall_ms + e->last_wall_ms + e->tag + e->release_delay_ms, 0);
	assert_null(entryset_find(&es, id_of(1)));
	entryset_done(&es);
}

static void test_many(void **unused)
{
	enum { N = 20000 };
	struct entry_totals totals = { 0 };
	struct entryset es;

	(void)unused;
	entryset_init(&es, &totals);
	for (int i = 0; i < N; i++)
		entryset_add_waiting(&es, (struct entryid){ UINT64_MAX - i % 3, i }, 1);
	for (int i = 0; i < N; i++)
		assert_non_null(entryset_find(&es, (struct entryid){ UINT64_MAX - i % 3, i }));
	assert_null(entryset_find(&es, (struct entryid){ UINT64_MAX, 1 }));
	for (int i = 0; i < N; i++)
		entryset_forget(&es, entryset_find(&es, (struct entryid){ UINT64_MAX - i % 3, i }));
	assert_int_equal(totals.n_held, 0);
	entryset_done(&es);
}

static void test_nothing_held(void **unused)
{
	struct entry_totals totals = { 0 };
	struct entryset es;
	struct entryid id;

	(void)unused;
	entryset_init(&es, &totals);
	assert_null(entryset_find(&es, id_of(1)));
	assert_null(entryset_first_due(&es));
	assert_null(entryset_first(&es, ENTRY_READY));
	assert_false(entryset_lowest(&es, &id));
	entryset_done(&es);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_every_cell),
		cmocka_unit_test(test_every_allowed_move),
		cmocka_unit_test(test_every_forbidden_move_aborts),
		cmocka_unit_test(test_random_walk),
		cmocka_unit_test(test_due_order),
		cmocka_unit_test(test_memory_is_used_again_clean),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_nothing_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
