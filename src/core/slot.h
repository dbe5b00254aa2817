/* SPDX-License-Identifier: MIT */
/* The slot of a key in a Redis Cluster. */
#ifndef SLUICED_CORE_SLOT_H
#define SLUICED_CORE_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/slice.h"

enum { SLOTS = 16384 };

/* What is between the first '{' and the next '}', if that is not empty, decides alone: its hash
 * tag. */
uint16_t slot_of_key(struct slice key);

/* The tag, within the key; empty: it has none. */
struct slice slot_tag(struct slice key);
bool slot_key_has_tag(struct slice key);

/* The name of a key that goes with another one: "orders" and ":dead" make "orders:dead", or, where
 * both have to be in one slot, "{orders}:dead", unless there is a tag already. The caller frees it.
 */
char *slot_key_beside(const char *key, const char *suffix, bool same_slot) MUST_CHECK;

#endif
