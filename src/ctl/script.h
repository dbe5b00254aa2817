/* SPDX-License-Identifier: MIT */
/* The Lua of sluicectl: each text is what all scripts share (redis/prelude.lua) and ctl/NAME.lua,
 * where it is described. For place_eval(). */
#ifndef SLUICED_CTL_SCRIPT_H
#define SLUICED_CTL_SCRIPT_H

extern const char script_claim[];
extern const char script_handover[];
extern const char script_redrive[];
extern const char script_redrive_new[];
extern const char script_release[];
extern const char script_remove[];
extern const char script_trim[]; /* redis/trim.lua, the daemon's own */
extern const char script_trim_page[];

#endif
