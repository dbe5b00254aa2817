/* SPDX-License-Identifier: MIT */
#include "ctl/socketpath.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/compiler.h"

enum { NOBODY = 65534 };

/* Sockets that somebody listens on, in a directory of the test. */
struct world {
	char root[64];
	int fds[8];
	size_t n_fds;
};

static void make_directories(const struct world *w)
{
	static const char *const names[] = { "run", "run/east", "run/west", "user", "user/east",
		"tmp" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char *path = xasprintf("%s/%s", w->root, names[i]);

		assert_int_equal(mkdir(path, 0700), 0);
		free(path);
	}
}

static int bind_at(const char *root, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s/control.sock", root, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void listen_at(struct world *w, const char *name)
{
	int fd = bind_at(w->root, name);

	assert_int_equal(listen(fd, 1), 0);
	w->fds[w->n_fds++] = fd;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	strcpy(w->root, "/tmp/sluicectl-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	make_directories(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char *command = xasprintf("rm -r %s", w->root);

	for (size_t i = 0; i < w->n_fds; i++)
		close(w->fds[i]);
	assert_int_equal(system(command), 0);
	free(command);
	free(w);
	return 0;
}

/* expected: without the root of the test; a line each. */
static void assert_found(const struct world *w, const char *instance, int expected_r,
    const char *expected)
{
	char *system = xasprintf("%s/run", w->root), *user = xasprintf("%s/user", w->root),
	     *tmp = xasprintf("%s/tmp", w->root);
	struct socket_roots roots = { system, { user, tmp } };
	struct buf found = { 0 }, wanted = { 0 };
	int r = instance ? socketpath_find_instance(&roots, instance, &found)
	                 : socketpath_find(&roots, &found);

	for (const char *line = expected; *line; line += strcspn(line, "\n"), line += *line == '\n')
		buf_printf(&wanted, "%s%s/%.*s", buf_len(&wanted) ? "\n" : "", w->root,
		    (int)strcspn(line, "\n"), line);
	buf_append_char(&wanted, '\0');
	assert_int_equal(r, expected_r);
	assert_string_equal(buf_data(&found), buf_data(&wanted));
	buf_done(&found);
	buf_done(&wanted);
	free(system);
	free(user);
	free(tmp);
}

static void test_nobody(void **state)
{
	assert_found(*state, NULL, -ENOENT, "run/control.sock");
	assert_found(*state, "east", -ENOENT, "run/east/control.sock");
}

static void test_order(void **state)
{
	listen_at(*state, "tmp");
	assert_found(*state, NULL, 0, "tmp/control.sock");
	listen_at(*state, "user");
	assert_found(*state, NULL, 0, "user/control.sock");
	listen_at(*state, "run/east");
	assert_found(*state, NULL, 0, "run/east/control.sock");
	listen_at(*state, "run");
	assert_found(*state, NULL, 0, "run/control.sock");
}

static void test_several_instances(void **state)
{
	listen_at(*state, "user");
	listen_at(*state, "run/west");
	listen_at(*state, "run/east");
	assert_found(*state, NULL, -EEXIST, "run/east/control.sock\nrun/west/control.sock");
	assert_found(*state, "west", 0, "run/west/control.sock");
	assert_found(*state, "north", -ENOENT, "run/north/control.sock");
}

static void test_instance_of_the_user(void **state)
{
	listen_at(*state, "user/east");
	assert_found(*state, "east", 0, "user/east/control.sock");
	listen_at(*state, "run/east");
	assert_found(*state, "east", 0, "run/east/control.sock");
}

static void test_of_another_user(void **state)
{
	struct world *w = *state;
	char *path = xasprintf("%s/tmp", w->root);

	listen_at(w, "tmp");
	assert_found(w, NULL, 0, "tmp/control.sock");
	if (geteuid() == 0) {
		assert_int_equal(chown(path, NOBODY, NOBODY), 0);
		assert_found(w, NULL, -ENOENT, "run/control.sock");
	}
	free(path);
}

static void test_left_behind(void **state)
{
	struct world *w = *state;

	close(bind_at(w->root, "run"));
	close(bind_at(w->root, "run/east"));
	listen_at(w, "run/west");
	assert_found(w, NULL, 0, "run/west/control.sock");
}

static void test_forbidden(void **state)
{
	struct world *w = *state;
	char *path = xasprintf("%s/run", w->root);
	bool is_root = geteuid() == 0;

	assert_int_equal(chmod(w->root, 0755), 0);
	assert_int_equal(chmod(path, 0), 0);
	/* root may enter whatever it likes */
	if (is_root)
		assert_int_equal(seteuid(NOBODY), 0);
	assert_found(w, NULL, -EACCES, "run/control.sock");
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(path, 0700), 0);
	free(path);
}

static void test_probe(void **state)
{
	char long_path[256];

	(void)state;
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(socketpath_probe(long_path), -ENAMETOOLONG);
	assert_int_equal(socketpath_probe("/dev/null"), -ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_instances, setup, teardown),
		cmocka_unit_test_setup_teardown(test_instance_of_the_user, setup, teardown),
		cmocka_unit_test_setup_teardown(test_of_another_user, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forbidden, setup, teardown),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
