/* SPDX-License-Identifier: MIT */
/* Whose word is believed in a Cluster: two servers, each with its own map of the slots. */
#include "redis/keyspace.h"

#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "redis/endpoint.h"

enum { A, B };

struct place {
	struct fixture *f;
	struct fakeserver other;
	struct fakeserver *servers[2];
	struct keyspace *keyspace;
	struct home home;
	char maps[2][100]; /* all slots on A, all slots on B */
	char seed[32];
	char *seeds[1];
};

static struct place p;

static void on_up(struct home *h)
{
	unsigned port = home_endpoint(h)->port;

	fixture_note(p.f, "%s", port == p.servers[A]->port ? "A" : "B");
}

static void on_down(struct home *h)
{
	(void)h;
	fixture_note(p.f, "-");
}

/* Whom a server names from now on; NULL: it does not answer. */
static void names(int server, const char *map)
{
	p.servers[server]->n_rules = 0;
	fakeserver_rule(p.servers[server], "CLUSTER SLOTS", map);
}

static int setup(void **state)
{
	(void)state;
	p = (struct place){ .f = fixture_new() };
	fixture_tcp(p.f, "127.0.0.1");
	fakeserver_start(&p.other, p.f->loop, NULL);
	p.servers[A] = &p.f->server;
	p.servers[B] = &p.other;
	for (int i = 0; i < 2; i++)
		snprintf(p.maps[i], sizeof(p.maps[i]),
		    "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n",
		    (unsigned)p.servers[i]->port);
	snprintf(p.seed, sizeof(p.seed), "127.0.0.1:%u", (unsigned)p.other.port);
	p.seeds[0] = p.seed;
	p.f->settings.cluster = true;
	p.f->settings.nodes = (struct string_list){ .items = p.seeds, .len = 1 };
	p.keyspace = keyspace_new(&p.f->host, "sluiced.test");
	p.home = (struct home){ .key = "s", .owner = &p, .on_up = on_up, .on_down = on_down };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	home_leave(&p.home);
	keyspace_close(p.keyspace);
	keyspace_free(p.keyspace);
	fakeserver_stop(&p.other);
	p.f->settings.nodes = (struct string_list){ 0 };
	fixture_free(p.f);
	return 0;
}

static bool is_home_up(struct fixture *f)
{
	(void)f;
	return home_is_up(&p.home);
}

static void begin_at(int server)
{
	names(A, p.maps[server]);
	names(B, p.maps[server]);
	keyspace_open(p.keyspace);
	home_join(p.keyspace, &p.home);
	fixture_run(p.f, is_home_up);
	fixture_events(p.f);
}

static void is_in_doubt(void)
{
	home_heard_error(&p.home, REDIS_TEMPORARY, slice_of("CLUSTERDOWN The cluster is down"));
}

static unsigned n_questions(int server)
{
	const char *seen = fakeserver_commands(p.servers[server]);
	unsigned n = 0;

	while ((seen = strstr(seen, "CLUSTER SLOTS"))) {
		seen++;
		n++;
	}
	return n;
}

/* The first answer that names another node than the one that works has to be confirmed. */
static void test_a_contradiction_is_checked(void **unused)
{
	(void)unused;
	begin_at(A);
	n_questions(A);
	names(A, p.maps[B]);
	names(B, p.maps[A]);
	for (int i = 0; i < 4; i++) {
		is_in_doubt();
		names(A, p.maps[i % 2 ? A : B]); /* no two answers in a row say B */
		fixture_run_ms(p.f, 520);
	}
	assert_in_range(n_questions(A) + n_questions(B), 3, 6);
	assert_string_equal(fixture_events(p.f), "");
}

static bool has_moved(struct fixture *f)
{
	(void)f;
	return home_is_up(&p.home) && home_endpoint(&p.home)->port == p.servers[B]->port;
}

static void test_two_answers_move_it(void **unused)
{
	(void)unused;
	begin_at(A);
	names(A, p.maps[B]);
	names(B, p.maps[B]);
	is_in_doubt();
	fixture_run(p.f, has_moved);
	assert_string_equal(fixture_events(p.f), "- B");
}

/* A redirection comes from the node that had the slot; others hear of the move later. */
static void test_a_redirection_is_believed(void **unused)
{
	char moved[64];

	(void)unused;
	begin_at(A);
	snprintf(moved, sizeof(moved), "MOVED %u 127.0.0.1:%u", p.home.slot,
	    (unsigned)p.servers[B]->port);
	home_heard_error(&p.home, REDIS_MOVED, slice_of(moved));
	fixture_run(p.f, has_moved);
	assert_string_equal(fixture_events(p.f), "- B");
	fixture_run_ms(p.f, 1300);
	assert_string_equal(fixture_events(p.f), "");
}

static bool has_asked_b(struct fixture *f)
{
	(void)f;
	return n_questions(B) > 0;
}

static void test_one_that_is_silent_is_passed_over(void **unused)
{
	uint64_t since_ms;

	(void)unused;
	names(A, NULL);
	names(B, p.maps[A]);
	since_ms = loop_now_ms(p.f->loop);
	keyspace_open(p.keyspace);
	home_join(p.keyspace, &p.home);
	fixture_run(p.f, has_asked_b);
	fixture_run(p.f, is_home_up);
	assert_in_range(loop_now_ms(p.f->loop) - since_ms, 0, 3000);
}

static void test_a_closed_one_asks_no_more(void **unused)
{
	unsigned n;

	(void)unused;
	begin_at(A);
	is_in_doubt();
	home_leave(&p.home);
	keyspace_close(p.keyspace);
	n = p.servers[A]->n_accepted + p.servers[B]->n_accepted;
	fixture_run_ms(p.f, 1200);
	assert_int_equal(p.servers[A]->n_accepted + p.servers[B]->n_accepted, n);
}

/* Each sends us to the other: some rounds, not as many as there is time for. */
static void test_two_that_name_each_other(void **unused)
{
	char moved[2][64];
	unsigned n_moves = 0;

	(void)unused;
	begin_at(A);
	for (int i = 0; i < 2; i++)
		snprintf(moved[i], sizeof(moved[i]), "MOVED %u 127.0.0.1:%u", p.home.slot,
		    (unsigned)p.servers[i]->port);
	for (int i = 0; i < 50; i++) {
		int elsewhere = home_endpoint(&p.home)->port == p.servers[A]->port ? B : A;

		home_heard_error(&p.home, REDIS_MOVED, slice_of(moved[elsewhere]));
		fixture_run_ms(p.f, 10);
		n_moves += strpbrk(fixture_events(p.f), "AB") != NULL;
	}
	assert_in_range(n_moves, 1, 10);
}

/* ---- nobody else is left ---- */

/* A alone is configured. */
static void without_seeds(void)
{
	keyspace_close(p.keyspace);
	keyspace_free(p.keyspace);
	p.f->settings.nodes = (struct string_list){ 0 };
	p.keyspace = keyspace_new(&p.f->host, "sluiced.test");
}

static bool is_home_down(struct fixture *f)
{
	(void)f;
	return !home_is_up(&p.home);
}

static void test_a_replica_is_asked_when_all_else_is_gone(void **unused)
{
	char map[160];

	(void)unused;
	without_seeds();
	snprintf(map, sizeof(map),
	    "*1\r\n*4\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n"
	    "*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n",
	    (unsigned)p.servers[A]->port, (unsigned)p.servers[B]->port);
	names(A, map);
	names(B, p.maps[B]);
	keyspace_open(p.keyspace);
	home_join(p.keyspace, &p.home);
	fixture_run(p.f, is_home_up);
	fixture_run_ms(p.f, 600);
	assert_int_equal(p.servers[B]->n_accepted, 0);
	fakeserver_stop(p.servers[A]);
	fixture_run(p.f, is_home_down);
	fixture_run(p.f, has_moved);
	assert_string_equal(fixture_events(p.f), "A - B");
	fakeserver_start(p.servers[A], p.f->loop, NULL); /* for the end of the test */
}

static void test_default_address_is_no_seed_beside_nodes(void **unused)
{
	(void)unused;
	keyspace_close(p.keyspace);
	keyspace_free(p.keyspace);
	p.f->settings.url.port = 6379;
	p.keyspace = keyspace_new(&p.f->host, "sluiced.test");
	names(B, p.maps[B]);
	keyspace_open(p.keyspace);
	home_join(p.keyspace, &p.home);
	fixture_run(p.f, is_home_up);
	assert_false(fixture_has_logged(p.f, ":6379"));
}

/* ---- a slot that nobody serves ---- */

static unsigned n_logged(const char *part)
{
	const char *at = fixture_log(p.f);
	unsigned n = 0;

	while ((at = strstr(at, part))) {
		at++;
		n++;
	}
	return n;
}

static bool is_unserved_logged(struct fixture *f)
{
	(void)f;
	return n_logged("no node of the Cluster serves slot") > 0;
}

static void test_a_slot_without_a_node_is_told_once(void **unused)
{
	char map[100];

	(void)unused;
	snprintf(map, sizeof(map), "*1\r\n*3\r\n:0\r\n:0\r\n*2\r\n$9\r\n127.0.0.1\r\n:%u\r\n",
	    (unsigned)p.servers[A]->port);
	names(A, map);
	names(B, map);
	keyspace_open(p.keyspace);
	home_join(p.keyspace, &p.home);
	fixture_run(p.f, is_unserved_logged);
	fixture_run_ms(p.f, 1300);
	assert_int_equal(n_logged("no node of the Cluster serves slot"), 1);
	assert_true(fixture_has_logged(p.f, "\"stream\":\"s\""));
	names(A, p.maps[A]);
	names(B, p.maps[A]);
	fixture_run(p.f, is_home_up);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_contradiction_is_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_answers_move_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_redirection_is_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_that_is_silent_is_passed_over, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_a_closed_one_asks_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_that_name_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_replica_is_asked_when_all_else_is_gone,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(test_default_address_is_no_seed_beside_nodes, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_a_slot_without_a_node_is_told_once, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
