/* SPDX-License-Identifier: MIT */
#include "redis/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

enum { SECRET_MAX_BYTES = 64 * 1024 };

static int read_file(const char *path, char **ret_text)
{
	char *text = xcalloc(1, SECRET_MAX_BYTES);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = -1;
	int r = 0;

	if (fd >= 0)
		n = read(fd, text, SECRET_MAX_BYTES - 1);
	if (n < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	if (r) {
		free(text);
		return r;
	}
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	*ret_text = text;
	return 0;
}

static char *secret_path(const struct secret_settings *s)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");

	if (s->password_file)
		return xstrdup(s->password_file);
	return xasprintf("%s/%s", folder ? folder : "", s->password_credential);
}

int secret_read(const struct secret_settings *s, char **ret_password, char **ret_path)
{
	char *path;
	int r;

	if (!s->password_file && !s->password_credential) {
		*ret_password = s->password ? xstrdup(s->password) : NULL;
		return 0;
	}
	path = secret_path(s);
	r = read_file(path, ret_password);
	if (r)
		*ret_path = path;
	else
		free(path);
	return r;
}

void secret_free(char *password)
{
	if (!password)
		return;
	explicit_bzero(password, strlen(password));
	free(password);
}
