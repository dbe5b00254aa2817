/* SPDX-License-Identifier: MIT */
#include "ctl/script.h"

/* The prelude comes first: an order that must not be sorted. */
/* clang-format off */
const char script_claim[] =
#include "redis/prelude.lua.inc"
#include "ctl/claim.lua.inc"
	;
const char script_handover[] =
#include "redis/prelude.lua.inc"
#include "ctl/handover.lua.inc"
	;
const char script_redrive[] =
#include "redis/prelude.lua.inc"
#include "ctl/redrive.lua.inc"
	;
const char script_redrive_new[] =
#include "redis/prelude.lua.inc"
#include "ctl/redrive_new.lua.inc"
	;
const char script_release[] =
#include "redis/prelude.lua.inc"
#include "ctl/release.lua.inc"
	;
const char script_remove[] =
#include "redis/prelude.lua.inc"
#include "ctl/remove.lua.inc"
	;
const char script_trim[] =
#include "redis/prelude.lua.inc"
#include "redis/trim.lua.inc"
	;
const char script_trim_page[] =
#include "redis/prelude.lua.inc"
#include "ctl/trim_page.lua.inc"
	;
/* clang-format on */
