/* SPDX-License-Identifier: MIT */
/* The rules between the options of the redis section. */
#ifndef SLUICED_CONFIG_VALIDATE_REDIS_H
#define SLUICED_CONFIG_VALIDATE_REDIS_H

#include "config/validate.h"

void validate_redis(const struct loaded *l);

/* For a configuration without errors. */
void validate_redis_warn(const struct loaded *l);

#endif
