/* SPDX-License-Identifier: MIT */
#include "ctl/option.h"

const struct option_row ctl_options[CTL_OPTION_COUNT] = {
#define X(name, word, letter, kind, placeholder, help)                                             \
	[OPTION_##name] = { word, letter, OPTION_IS_##kind, placeholder, help },
	CTL_OPTIONS(X)
#undef X
};
