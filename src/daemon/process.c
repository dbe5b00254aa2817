/* SPDX-License-Identifier: MIT */
#include "daemon/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t time_ms(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_usec / 1000;
}

static void read_memory(struct process_facts *f)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	FILE *file = fopen("/proc/self/statm", "re");
	char line[128], *rest;

	if (!file)
		return;
	if (fgets(line, sizeof(line), file)) {
		f->virtual_bytes = strtoull(line, &rest, 10) * page_bytes;
		f->resident_bytes = strtoull(rest, NULL, 10) * page_bytes;
	}
	fclose(file);
}

static uint64_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint64_t n = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n ? n - 1 : 0; /* without the one that it was read with */
}

void process_facts(struct process_facts *ret_facts)
{
	struct process_facts f = { 0 };
	struct rusage usage;
	struct rlimit limit;

	if (getrusage(RUSAGE_SELF, &usage) == 0)
		f.cpu_ms = time_ms(usage.ru_utime) + time_ms(usage.ru_stime);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		f.max_fds = (uint64_t)limit.rlim_cur;
	f.n_fds = count_descriptors();
	read_memory(&f);
	*ret_facts = f;
}
