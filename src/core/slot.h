/* SPDX-License-Identifier: MIT */
/* The slot of a key in a Redis Cluster. */
#ifndef SLUICED_CORE_SLOT_H
#define SLUICED_CORE_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { SLOTS = 16384 };

/* What is between the first '{' and the next '}', if that is not empty, decides alone: its hash
 * tag. */
uint16_t slot_of_key(struct slice key);

bool slot_key_has_tag(struct slice key);

#endif
