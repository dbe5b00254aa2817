/* SPDX-License-Identifier: MIT */
#include "core/workerfsm.h"

const char *worker_state_word(enum worker_state s)
{
	static const char *const words[WORKER_STATE_COUNT] = {
#define X(name, word) [WORKER_##name] = word,
		WORKER_STATES(X)
#undef X
	};

	return words[s];
}

enum worker_state worker_state_after(enum worker_state s, enum worker_event event)
{
	static const unsigned char after[WORKER_STATE_COUNT][WORKER_EVENT_COUNT] = {
		[WORKER_DOWN] = {
			[WORKER_SPAWNED] = WORKER_STARTING,
			[WORKER_READY] = WORKER_DOWN,
			[WORKER_LEAVE] = WORKER_DOWN,
			[WORKER_KILLED] = WORKER_DOWN,
			[WORKER_REAPED] = WORKER_DOWN,
		},
		[WORKER_STARTING] = {
			[WORKER_SPAWNED] = WORKER_STARTING,
			[WORKER_READY] = WORKER_UP,
			[WORKER_LEAVE] = WORKER_LEAVING,
			[WORKER_KILLED] = WORKER_DYING,
			[WORKER_REAPED] = WORKER_DOWN,
		},
		[WORKER_UP] = {
			[WORKER_SPAWNED] = WORKER_UP,
			[WORKER_READY] = WORKER_UP,
			[WORKER_LEAVE] = WORKER_LEAVING,
			[WORKER_KILLED] = WORKER_DYING,
			[WORKER_REAPED] = WORKER_DOWN,
		},
		[WORKER_LEAVING] = {
			[WORKER_SPAWNED] = WORKER_LEAVING,
			[WORKER_READY] = WORKER_LEAVING,
			[WORKER_LEAVE] = WORKER_LEAVING,
			[WORKER_KILLED] = WORKER_DYING,
			[WORKER_REAPED] = WORKER_DOWN,
		},
		[WORKER_DYING] = {
			[WORKER_SPAWNED] = WORKER_DYING,
			[WORKER_READY] = WORKER_DYING,
			[WORKER_LEAVE] = WORKER_DYING,
			[WORKER_KILLED] = WORKER_DYING,
			[WORKER_REAPED] = WORKER_DOWN,
		},
	};

	return (enum worker_state)after[s][event];
}
