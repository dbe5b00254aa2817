/* SPDX-License-Identifier: MIT */
/* The rules of TLS: whether this build has it, the files that it needs, keys without effect. */
#ifndef SLUICED_CONFIG_VALIDATE_TLS_H
#define SLUICED_CONFIG_VALIDATE_TLS_H

#include "config/validate.h"

void validate_tls(const struct loaded *l);

void validate_tls_warn(const struct loaded *l);

#endif
