/* SPDX-License-Identifier: MIT */
/* A name with several addresses, of which some do not work. The names are looked up here: this
 * program has a getaddrinfo() of its own. */
#include "redis/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "fixture.h"

/* 127.0.0.1 has the fake server, 127.0.0.2 somebody who takes connections and is silent, and no
 * other has anybody. */
static const char *addresses[ADDRESSES_MAX + 4];
static unsigned n_addresses;

static struct addrinfo *address_of(const char *text, const char *service)
{
	struct addrinfo *a = xcalloc(1, sizeof(*a) + sizeof(struct sockaddr_in));
	struct sockaddr_in *to = (struct sockaddr_in *)(a + 1);

	a->ai_family = to->sin_family = AF_INET;
	a->ai_addr = (struct sockaddr *)to;
	a->ai_addrlen = sizeof(*to);
	to->sin_port = htons((uint16_t)strtoul(service, NULL, 10));
	assert(inet_pton(AF_INET, text, &to->sin_addr) == 1);
	return a;
}

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
    struct addrinfo **found)
{
	struct addrinfo **link = found;

	if (hints->ai_flags & AI_NUMERICHOST || strcmp(host, "many") != 0)
		return EAI_NONAME;
	for (unsigned i = 0; i < n_addresses; i++, link = &(*link)->ai_next)
		*link = address_of(addresses[i], service);
	*link = NULL;
	return 0;
}

void freeaddrinfo(struct addrinfo *a)
{
	while (a) {
		struct addrinfo *next = a->ai_next;

		free(a);
		a = next;
	}
}

static struct fixture *fixture_with(const char *const *list)
{
	struct fixture *f = fixture_new();

	for (n_addresses = 0; list[n_addresses]; n_addresses++)
		addresses[n_addresses] = list[n_addresses];
	fixture_tcp(f, "many");
	return f;
}

/* The silent one takes the port that the fake server has on its own address. */
static int listen_silently(const struct fixture *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(f->server.port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "127.0.0.2", &at.sin_addr);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

#define LIST(...)                                                                                  \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static void test_the_first_that_works(void **unused)
{
	const char *const *lists[] = { LIST("127.0.0.1"), LIST("127.0.0.1", "127.0.0.3"),
		LIST("127.0.0.3", "127.0.0.1"),
		LIST("127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.1") };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct fixture *f = fixture_with(lists[i]);

		/* No second try is needed. */
		f->settings.reconnect_initial_ms = f->settings.reconnect_max_ms = 60000;
		fixture_connect(f);
		fixture_free(f);
	}
}

static bool is_up_for_the_fourth_time(struct fixture *f)
{
	if (fixture_is_up(f) && f->n_up < 4)
		fakeserver_hang_up(&f->server);
	return f->n_up == 4 && conn_is_up(f->conn);
}

static void test_again_and_again(void **unused)
{
	struct fixture *f = fixture_with(LIST("127.0.0.3", "127.0.0.1", "127.0.0.4"));

	(void)unused;
	fixture_connect(f);
	fixture_run(f, is_up_for_the_fourth_time);
	assert_string_equal(fixture_events(f), "down up down up down up");
	assert_false(fixture_has_logged(f, "cannot connect"));
	fixture_free(f);
}

/* One who does not answer costs one try, not all of them. */
static void test_a_silent_one(void **unused)
{
	struct fixture *f = fixture_with(LIST("127.0.0.2", "127.0.0.1"));
	int silent = listen_silently(f);

	(void)unused;
	f->settings.connect_timeout_ms = 60;
	fixture_connect(f);
	assert_true(fixture_has_logged(f, "timed out after 60 ms"));
	close(silent);
	fixture_free(f);
}

static bool has_failed(struct fixture *f)
{
	return conn_has_tried(f->conn);
}

static int listener;

static struct sockaddr_un unix_address(const struct fixture *f)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->settings.url.socket_path);
	return at;
}

static void listen_with_a_short_queue(const struct fixture *f)
{
	struct sockaddr_un at = unix_address(f);

	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 0), 0);
}

/* Connects until no more fit. */
static void fill_queue(const struct fixture *f)
{
	struct sockaddr_un at = unix_address(f);
	int fd, r;

	do {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		r = connect(fd, (struct sockaddr *)&at, sizeof(at));
		close(fd); /* it keeps its place in the queue */
	} while (r == 0);
	assert_int_equal(errno, EAGAIN);
}

static bool accepts(struct fixture *f)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	(void)f;
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void test_a_full_queue(void **unused)
{
	struct fixture *f = fixture_new();

	(void)unused;
	free(f->settings.url.socket_path);
	f->settings.url.socket_path = xasprintf("%s/full", f->folder);
	listen_with_a_short_queue(f);
	fill_queue(f);
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run_ms(f, 100);
	assert_false(conn_has_tried(f->conn));
	assert_false(fixture_has_logged(f, "cannot connect"));
	while (accepts(f))
		;
	fixture_run(f, accepts);
	close(listener);
	unlink(f->settings.url.socket_path);
	fixture_free(f);
}

static void check_failure(struct fixture *f, const char *logged)
{
	fixture_conn(f);
	conn_open(f->conn);
	fixture_run(f, has_failed);
	assert_true(fixture_has_logged(f, logged));
	assert_int_equal(f->server.n_accepted, 0);
	fixture_free(f);
}

static void test_none_works(void **unused)
{
	(void)unused;
	check_failure(fixture_with(LIST("127.0.0.3", "127.0.0.4")), "Connection refused");
	check_failure(fixture_with(LIST(NULL)), "many: the name has no address");
}

/* More than there is room for: the first ones are used. */
static void test_very_many(void **unused)
{
	const char *list[ADDRESSES_MAX + 4];
	struct fixture *f;

	(void)unused;
	for (unsigned i = 0; i < ARRAY_LEN(list); i++)
		list[i] = i == ADDRESSES_MAX - 1 ? "127.0.0.1" : "127.0.0.3";
	list[ADDRESSES_MAX + 3] = NULL;
	f = fixture_with(list);
	f->settings.reconnect_initial_ms = f->settings.reconnect_max_ms = 60000;
	fixture_connect(f);
	fixture_free(f);
	list[ADDRESSES_MAX - 1] = "127.0.0.3";
	list[ADDRESSES_MAX] = "127.0.0.1";
	check_failure(fixture_with(list), "Connection refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_that_works),
		cmocka_unit_test(test_again_and_again),
		cmocka_unit_test(test_a_silent_one),
		cmocka_unit_test(test_a_full_queue),
		cmocka_unit_test(test_none_works),
		cmocka_unit_test(test_very_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
