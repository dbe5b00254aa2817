/* SPDX-License-Identifier: MIT */
/* The payload in JSON: an object where it can be one, else a list of pairs; nothing is lost. */
#ifndef SLUICED_HANDLER_FIELDSJSON_H
#define SLUICED_HANDLER_FIELDSJSON_H

#include "base/buf.h"
#include "core/fields.h"

/* Appends ,"fields":{…}, or ,"pairs":[…] where a name is not UTF-8. */
void fieldsjson_append(struct buf *to, const struct fields *f);

#endif
