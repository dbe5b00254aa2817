/* SPDX-License-Identifier: MIT */
/* Lookups in threads: each is answered once, or cancelled and never heard of again. */
#include "redis/resolve.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

enum { N_LOOKUPS = 60 };

struct lookup {
	struct fixture *f;
	struct resolution *resolution;
	unsigned n_done;
	struct address_list list;
	char why[128];
};

static struct lookup lookups[N_LOOKUPS];
static unsigned n_done;

static void on_done(void *owner, const struct address_list *list, const char *why)
{
	struct lookup *l = owner;

	l->n_done++;
	n_done++;
	assert_true(!list != !why);
	if (list)
		l->list = *list;
	else
		strncpy(l->why, why, sizeof(l->why) - 1);
}

static void start(struct fixture *f, struct lookup *l, const char *host)
{
	*l = (struct lookup){ .f = f };
	l->resolution = resolve_start(f->host.resolver, host, 6379, on_done, l);
	assert_non_null(l->resolution);
}

static bool one_is_done(struct fixture *f)
{
	(void)f;
	return n_done == 1;
}

static bool half_are_done(struct fixture *f)
{
	(void)f;
	return n_done == N_LOOKUPS / 2;
}

static int setup(void **state)
{
	n_done = 0;
	*state = fixture_new();
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static const struct {
	const char *host;
	int family;
} numeric[] = {
	{ "127.0.0.1", AF_INET },
	{ "0.0.0.0", AF_INET },
	{ "255.255.255.255", AF_INET },
	{ "::1", AF_INET6 },
	{ "fe80::1", AF_INET6 },
	{ "::ffff:10.0.0.1", AF_INET6 },
	{ "localhost", 0 },
	{ "redis.example.com", 0 },
	{ "256.0.0.1", 0 },
	{ "", 0 },
	{ ":::1", 0 },
};

static void test_numeric(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numeric); i++) {
		struct address_list list = { .len = 7 };
		int r = resolve_numeric(numeric[i].host, 6380, &list);
		const struct sockaddr_in *a = (struct sockaddr_in *)&list.items[0].storage;

		if (!numeric[i].family) {
			assert_int_equal(r, -EINVAL);
			assert_int_equal(list.len, 7);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(list.len, 1);
		assert_int_equal(list.items[0].family, numeric[i].family);
		assert_int_equal(a->sin_family, numeric[i].family);
		assert_int_equal(ntohs(a->sin_port), 6380);
		assert_true(list.items[0].len >= sizeof(*a));
	}
}

static bool is_loopback(const struct address *a)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->storage;

	if (a->family == AF_INET)
		return v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK) && ntohs(v4->sin_port) == 6379;
	return a->family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static void test_name(void **state)
{
	struct fixture *f = *state;

	start(f, &lookups[0], "localhost");
	assert_int_equal(lookups[0].n_done, 0);
	fixture_run(f, one_is_done);
	assert_string_equal(lookups[0].why, "");
	assert_in_range(lookups[0].list.len, 1, ADDRESSES_MAX);
	for (unsigned i = 0; i < lookups[0].list.len; i++)
		assert_true(is_loopback(&lookups[0].list.items[i]));
}

/* A name that no resolver needs to be asked about: longer than a name may be. */
static void test_failure_is_reported(void **state)
{
	struct fixture *f = *state;
	char name[400];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	start(f, &lookups[0], name);
	fixture_run(f, one_is_done);
	assert_true(lookups[0].why[0]);
	assert_int_equal(lookups[0].list.len, 0);
}

static void test_failure_of_a_cancelled_one(void **state)
{
	struct fixture *f = *state;
	char name[400];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	start(f, &lookups[0], name);
	start(f, &lookups[1], name);
	resolve_cancel(lookups[0].resolution);
	fixture_run(f, one_is_done);
	fixture_run_ms(f, 20);
	assert_int_equal(lookups[0].n_done, 0);
}

static void test_many_half_of_them_cancelled(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < N_LOOKUPS; i++)
		start(f, &lookups[i], "localhost");
	for (int i = 0; i < N_LOOKUPS; i += 2)
		resolve_cancel(lookups[i].resolution);
	resolve_cancel(NULL);
	fixture_run(f, half_are_done);
	fixture_run_ms(f, 20);
	for (int i = 0; i < N_LOOKUPS; i++)
		assert_int_equal(lookups[i].n_done, i % 2);
}

static void on_done_cancel_next(void *owner, const struct address_list *list, const char *why)
{
	struct lookup *l = owner;

	on_done(owner, list, why);
	for (int i = 0; i < N_LOOKUPS; i++) {
		if (&lookups[i] != l && !lookups[i].n_done)
			resolve_cancel(lookups[i].resolution);
	}
}

/* The first that is done cancels all others, some of which are done already. */
static void test_cancel_from_a_callback(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < N_LOOKUPS; i++) {
		lookups[i] = (struct lookup){ .f = f };
		lookups[i].resolution = resolve_start(f->host.resolver, "localhost", 6379,
		    on_done_cancel_next, &lookups[i]);
	}
	fixture_run(f, one_is_done);
	fixture_run_ms(f, 50);
	assert_int_equal(n_done, 1);
}

/* The threads outlive the resolver, and the loop. */
static unsigned n_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(tasks);
	for (struct dirent *d; (d = readdir(tasks));)
		n += d->d_name[0] != '.';
	closedir(tasks);
	return n;
}

static void test_one_name_is_looked_up_once(void **state)
{
	struct fixture *f = *state;
	unsigned n_before = n_threads();

	for (int i = 0; i < N_LOOKUPS / 2; i++)
		start(f, &lookups[i], "localhost");
	assert_in_range(n_threads(), 1, n_before + 1);
	fixture_run(f, half_are_done);
	for (int i = 0; i < N_LOOKUPS / 2; i++) {
		assert_int_equal(lookups[i].n_done, 1);
		assert_true(lookups[i].list.len > 0);
	}
}

static void test_freed_while_they_run(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct fixture *f = fixture_new();

		for (int i = 0; i < 5; i++)
			start(f, &lookups[i], "localhost");
		fixture_run_ms(f, round % 2);
		n_done = 0;
		fixture_free(f);
		assert_int_equal(n_done, 0);
	}
	resolver_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numeric),
		cmocka_unit_test_setup_teardown(test_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_is_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_of_a_cancelled_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_half_of_them_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_from_a_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_name_is_looked_up_once, setup, teardown),
		cmocka_unit_test(test_freed_while_they_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
