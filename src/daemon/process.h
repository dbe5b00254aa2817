/* SPDX-License-Identifier: MIT */
/* What the system knows of this process. */
#ifndef SLUICED_DAEMON_PROCESS_H
#define SLUICED_DAEMON_PROCESS_H

#include <stdint.h>

struct process_facts {
	uint64_t cpu_ms; /* its own, not that of handlers */
	uint64_t virtual_bytes, resident_bytes;
	uint64_t n_fds, max_fds;
};

void process_facts(struct process_facts *ret_facts);

#endif
