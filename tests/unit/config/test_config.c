/* SPDX-License-Identifier: MIT */
/* The configuration and the system around it: files, directories, the environment. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "load_text.h"

static void check_runtime_dir(const char *instance, const char *want_dir)
{
	char *messages;
	struct config *c = load_bytes(slice_of(CONSUMER), instance, &messages);
	struct buf text = { 0 };

	assert_string_equal(messages, "");
	assert_string_equal(c->daemon.runtime_dir, want_dir);
	buf_printf(&text, "unix:%s/control.sock", want_dir);
	buf_append_char(&text, '\0');
	assert_int_equal(c->daemon.listen.len, 1);
	assert_string_equal(c->daemon.listen.items[0], buf_data(&text));
	buf_done(&text);
	free(messages);
	config_free(c);
}

static void test_runtime_dir(void **state)
{
	char tmp[100], tmp_other[120];

	(void)state;
	setenv("RUNTIME_DIRECTORY", "/run/given:/run/second", 1);
	check_runtime_dir(NULL, "/run/given");
	check_runtime_dir("other", "/run/given");
	unsetenv("RUNTIME_DIRECTORY");
	if (geteuid() == 0) {
		check_runtime_dir(NULL, "/run/sluiced");
		check_runtime_dir("other", "/run/sluiced/other");
		return;
	}
	setenv("XDG_RUNTIME_DIR", "/run/user/5", 1);
	check_runtime_dir(NULL, "/run/user/5/sluiced");
	check_runtime_dir("other", "/run/user/5/sluiced/other");
	unsetenv("XDG_RUNTIME_DIR");
	snprintf(tmp, sizeof(tmp), "/tmp/sluiced-%u", (unsigned)geteuid());
	snprintf(tmp_other, sizeof(tmp_other), "%s/other", tmp);
	check_runtime_dir(NULL, tmp);
	check_runtime_dir("other", tmp_other);
}

static int load_file(const char *path, char **ret_messages, struct config **ret_config)
{
	struct config_source from = { .path = path };
	struct diag diag;
	int err;

	diag_init(&diag, path);
	err = config_load(&from, &diag, ret_config);
	*ret_messages = messages_of(&diag);
	diag_done(&diag);
	return err;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void assert_path_in(const char *path, const char *dir, const char *name)
{
	struct stat at, want;
	char text[128];

	snprintf(text, sizeof(text), "%s/%s", dir, name);
	assert_int_equal(path[0], '/');
	assert_int_equal(stat(path, &at) | stat(text, &want), 0);
	assert_int_equal(at.st_ino, want.st_ino);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/test_load.XXXXXX", *messages;
	struct config *c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(load_file("none.yaml", &messages, &c), -ENOENT);
	assert_string_equal(messages, "none.yaml: cannot be read: No such file or directory\n");
	free(messages);
	assert_int_equal(load_file(dir, &messages, &c), -EISDIR);
	free(messages);
	write_file("handler", "#!/bin/sh\n", 0755);
	write_file("secret", "hush\n", 0600);
	write_file("good.yaml",
	    "redis: {password_file: secret}\nconsumers:\n  a: {stream: s, group: g, handler: "
	    "{command: "
	    "[./handler, ./x]}}\n",
	    0600);
	assert_int_equal(load_file("good.yaml", &messages, &c), 0);
	assert_string_equal(messages, "");
	assert_path_in(c->consumers[0].handler.program, dir, "handler");
	assert_string_equal(c->consumers[0].handler.command.items[0],
	    c->consumers[0].handler.program);
	assert_string_equal(c->consumers[0].handler.command.items[1], "./x");
	assert_path_in(c->redis.secret.password_file, dir, "secret");
	free(messages);
	config_free(c);
	assert_int_equal(unlink("handler") | unlink("secret") | unlink("good.yaml"), 0);
	assert_int_equal(chdir("/") | rmdir(dir), 0);
}

static void test_credential(void **state)
{
	char dir[] = "/tmp/test_load.XXXXXX", *messages;
	char path[64];
	struct config *c;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/redis", dir);
	write_file(path, "hush", 0400);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	c = load_good("redis: {password_credential: redis}\n" CONSUMER);
	assert_string_equal(c->redis.secret.password_credential, "redis");
	config_free(c);
	assert_null(load_bytes(slice_of("redis: {password_credential: other}\n" CONSUMER), NULL,
	    &messages));
	assert_non_null(strstr(messages, "f.yaml:1:30: redis.password_credential: expected a "
	                                 "credential, got \"/tmp/test_load."));
	free(messages);
	unsetenv("CREDENTIALS_DIRECTORY");
	assert_int_equal(unlink(path) | rmdir(dir), 0);
}

static void test_too_large_a_file(void **state)
{
	char path[] = "/tmp/test_load.XXXXXX", *messages, *text = malloc(1024 * 1024 + 2);
	struct config *c;
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	memset(text, '\n', 1024 * 1024 + 1);
	text[1024 * 1024 + 1] = '\0';
	write_file(path, text, 0600);
	assert_int_equal(load_file(path, &messages, &c), -EINVAL);
	assert_non_null(strstr(messages, ": larger than 1 MiB\n"));
	free(messages);
	free(text);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runtime_dir),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_credential),
		cmocka_unit_test(test_too_large_a_file),
	};

	unsetenv("CREDENTIALS_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
