/* SPDX-License-Identifier: MIT */
/* What libyaml does not tell about a place in a file. */
#ifndef SLUICED_CONFIG_FILETEXT_H
#define SLUICED_CONFIG_FILETEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/diag.h"
#include "base/slice.h"

/* Line and column of the byte at an offset; columns count characters. */
struct diag_place filetext_place(struct slice text, size_t offset);

/* Is the line (counted from 0) indented with a tab? */
bool filetext_tab_indents(struct slice text, size_t line);

#endif
