/* SPDX-License-Identifier: MIT */
/*
 * The only place that asks what time it is. Deadlines, leases and delays use the monotonic clock,
 * which here goes on while the machine is suspended: the server's does too, and leases run out by
 * it. Wall time is for people and for records.
 */
#ifndef SLUICED_BASE_CLOCK_H
#define SLUICED_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_mono_ms(void);
uint64_t clock_mono_us(void);
uint64_t clock_wall_ms(void); /* since 1970 */

/* CLOCK_MONOTONIC, by which service managers reckon: it stands still while the machine sleeps. */
uint64_t clock_awake_us(void);

#endif
