/* SPDX-License-Identifier: MIT */
/* The rules of guard keys. */
#ifndef SLUICED_CONFIG_VALIDATE_ONCE_H
#define SLUICED_CONFIG_VALIDATE_ONCE_H

#include "config/validate.h"

void validate_once(const struct loaded *l);

/* For a configuration without errors. */
void validate_once_warn(const struct loaded *l);

#endif
