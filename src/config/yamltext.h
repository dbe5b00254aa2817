/* SPDX-License-Identifier: MIT */
/* Values as YAML text that reads back as the same value. */
#ifndef SLUICED_CONFIG_YAMLTEXT_H
#define SLUICED_CONFIG_YAMLTEXT_H

#include <stdint.h>

#include "base/buf.h"
#include "core/settings.h"

/* A string, in quotes where it needs them, in flow context too. */
void yamltext_string(struct buf *to, const char *text);

void yamltext_list(struct buf *to, const struct string_list *list);
void yamltext_map(struct buf *to, const struct string_map *map);

/* With the largest unit that leaves a whole number: "5m", "256MiB". */
void yamltext_duration(struct buf *to, uint64_t ms);
void yamltext_size(struct buf *to, uint64_t bytes);

#endif
