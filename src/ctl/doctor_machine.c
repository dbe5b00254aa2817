/* SPDX-License-Identifier: MIT */
/*
 * The limits and the user of this shell are not those of the daemon, so the daemon is looked for:
 * by who listens on its control socket, else by who holds its lock.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/journal.h"
#include "base/log.h"
#include "ctl/doctor.h"

/* ---- the daemon */

static const struct config *config_of(const struct doctor *d)
{
	return d->ctl->config;
}

static int connect_to(const char *path, size_t len)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (len >= sizeof(to.sun_path))
		return -1;
	memcpy(to.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Who listens there; 0: nobody, or systemd, which has opened the socket for the daemon. */
static pid_t listener_at(const char *path, size_t len)
{
	struct ucred who = { 0 };
	socklen_t size = sizeof(who);
	int fd = connect_to(path, len);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size))
		who.pid = 0;
	close(fd);
	return who.pid > 1 ? who.pid : 0;
}

static pid_t find_listener(const struct doctor *d)
{
	const struct string_list *listen = &config_of(d)->daemon.listen;
	const char *given = args_text(&d->ctl->args, OPTION_SOCKET);
	pid_t pid = given ? listener_at(given, strlen(given)) : 0;

	for (size_t i = 0; i < listen->len && !given && !pid; i++) {
		const char *where = listen->items[i];

		if (strncmp(where, "unix:", 5) == 0)
			pid = listener_at(where + 5, strcspn(where + 5, "?"));
	}
	return pid;
}

/* The process in a line of /proc/locks, "1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE 0 EOF", if
 * that is about this file; else 0. */
static pid_t holder_in(char *line, const char *file)
{
	enum { KIND = 1, PID = 4, FILE_ = 5, WORDS };
	char *words[WORDS], *rest = line;
	size_t n = 0;

	while (n < WORDS && (words[n] = strtok_r(n ? NULL : line, " ", &rest)))
		n++;
	if (n < WORDS || strcmp(words[KIND], "FLOCK") != 0 || strcmp(words[FILE_], file) != 0)
		return 0;
	return (pid_t)strtol(words[PID], NULL, 10);
}

/* Who holds the lock of the runtime directory. */
static pid_t find_holder(const char *runtime_dir)
{
	char *path = xasprintf("%s/lock", runtime_dir), line[160], file[64];
	struct stat st;
	FILE *locks = stat(path, &st) == 0 ? fopen("/proc/locks", "re") : NULL;
	pid_t pid = 0;

	free(path);
	if (!locks)
		return 0;
	snprintf(file, sizeof(file), "%02x:%02x:%llu", major(st.st_dev), minor(st.st_dev),
	    (unsigned long long)st.st_ino);
	while (!pid && fgets(line, sizeof(line), locks))
		pid = holder_in(line, file);
	fclose(locks);
	return pid;
}

/* Where no daemon runs: root would start the unit, which has a user of its own. */
static uid_t expected_user(void)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam("sluiced") : NULL;

	return pw ? pw->pw_uid : geteuid();
}

static pid_t find_in(struct doctor *d, const char *runtime_dir)
{
	char *socket_path = xasprintf("%s/control.sock", runtime_dir);
	pid_t pid = listener_at(socket_path, strlen(socket_path));

	if (access(runtime_dir, X_OK) && errno == EACCES)
		d->service.is_hidden = true;
	free(socket_path);
	return pid ? pid : find_holder(runtime_dir);
}

/* systemd names the runtime directory of its units; another user's default is elsewhere. */
static pid_t find_unit(struct doctor *d)
{
	static const char units[] = "/etc/sluiced/", system_dir[] = "/run/sluiced";
	const char *instance = config_of(d)->daemon.instance;
	char *runtime_dir;
	pid_t pid;

	if (strncmp(ctl_config_path(d->ctl), units, strlen(units)) != 0)
		return 0;
	runtime_dir = strcmp(instance, "default") == 0 ? xstrdup(system_dir)
	                                               : xasprintf("%s/%s", system_dir, instance);
	pid = find_in(d, runtime_dir);
	free(runtime_dir);
	return pid;
}

void service_find(struct doctor *d)
{
	struct service *s = &d->service;
	char proc[32];
	struct stat st;

	s->pid = find_listener(d);
	if (!s->pid)
		s->pid = find_in(d, config_of(d)->daemon.runtime_dir);
	if (!s->pid)
		s->pid = find_unit(d);
	snprintf(proc, sizeof(proc), "/proc/%d", (int)s->pid);
	s->uid = s->pid && stat(proc, &st) == 0 ? st.st_uid : expected_user();
}

void look_at_daemon(struct doctor *d)
{
	const char *runtime_dir = config_of(d)->daemon.runtime_dir;

	if (d->service.pid)
		doctor_note(d, HEALTH_OK, "process %d", (int)d->service.pid);
	else if (d->service.is_hidden)
		doctor_note(d, HEALTH_UNKNOWN,
		    "could not be checked: its runtime directory may not be looked into");
	else
		doctor_note(d, HEALTH_OK, "none with the runtime directory %s is running here",
		    runtime_dir);
	if (!d->service.pid && d->service.is_hidden)
		doctor_advise(d, "run this as root, or as the user of the daemon");
}

/* ---- descriptors */

enum { OWN_DESCRIPTORS = 32, OF_A_PROCESS = 4 };

/* Standard input, output, error and verdicts of each process, a connection for each stream and each
 * server. */
static uint64_t count_need(const struct config *config)
{
	const struct redis_settings *redis = &config->redis;
	uint64_t need = OWN_DESCRIPTORS + 1 + redis->nodes.len + 2 * redis->sentinel.nodes.len;

	for (size_t i = 0; i < config->n_consumers; i++) {
		const struct consumer_settings *c = &config->consumers[i];

		need += c->streams.len + OF_A_PROCESS * c->handler.concurrency;
	}
	return need;
}

static bool read_limit(pid_t pid, uint64_t *ret_limit)
{
	static const char title[] = "Max open files";
	char path[40], line[128];
	bool found = false;
	FILE *limits;

	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	limits = fopen(path, "re");
	while (limits && !found && fgets(line, sizeof(line), limits))
		found = strncmp(line, title, strlen(title)) == 0;
	if (limits)
		fclose(limits);
	if (found)
		*ret_limit = strtoull(line + strlen(title), NULL, 10);
	return found;
}

/* Only the daemon's own limit tells something for certain. */
static void compare(struct doctor *d, uint64_t need, uint64_t limit, bool is_its_own)
{
	const char *whose = is_its_own ? "the daemon may have" : "this shell may have";

	if (need <= limit) {
		doctor_note(d, HEALTH_OK, "%" PRIu64 " are needed, %s %" PRIu64, need, whose,
		    limit);
		return;
	}
	doctor_note(d, is_its_own ? HEALTH_ERROR : HEALTH_WARNING,
	    "%" PRIu64 " are needed (four for each process, one for each stream), %s %" PRIu64 "%s",
	    need, whose, limit,
	    is_its_own ? "" : "; that of the daemon is not known, since it does not run");
	doctor_advise(d, "LimitNOFILE=%" PRIu64 " in the unit (systemctl edit), or ulimit -n",
	    2 * need);
}

void look_at_descriptors(struct doctor *d)
{
	uint64_t need = count_need(config_of(d)), limit;
	struct rlimit own;

	if (d->service.pid && read_limit(d->service.pid, &limit))
		compare(d, need, limit, true);
	else if (getrlimit(RLIMIT_NOFILE, &own) == 0)
		compare(d, need, (uint64_t)own.rlim_cur, false);
}

/* ---- the journal */

void look_at_journal(struct doctor *d)
{
	int format = config_of(d)->daemon.log_format;
	struct journal j;
	int r;

	if (format == LOG_FORMAT_TEXT || format == LOG_FORMAT_JSON) {
		doctor_note(d, HEALTH_OK, "not used: log.format is %s",
		    format == LOG_FORMAT_TEXT ? "text" : "json");
		return;
	}
	r = journal_open(&j);
	if (r == 0) {
		journal_close(&j);
		doctor_note(d, HEALTH_OK, "it takes records");
	} else if (format == LOG_FORMAT_AUTO) {
		doctor_note(d, HEALTH_OK, "none here (%s): the log is text", strerror(-r));
	} else {
		doctor_note(d, HEALTH_WARNING, "it takes no records (%s): the log will be text",
		    strerror(-r));
		doctor_advise(d, "systemctl status systemd-journald.socket, or log.format: auto");
	}
}
