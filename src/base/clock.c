/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <time.h>

static uint64_t now_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
	return now_us(CLOCK_BOOTTIME);
}

uint64_t clock_mono_ms(void)
{
	return now_us(CLOCK_BOOTTIME) / 1000;
}

uint64_t clock_wall_ms(void)
{
	return now_us(CLOCK_REALTIME) / 1000;
}

uint64_t clock_awake_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}
