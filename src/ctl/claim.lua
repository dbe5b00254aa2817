-- SPDX-License-Identifier: MIT
-- Takes over what others have let lie, a page of the pending list at a time.
-- ARGV: group, me, idle time in ms, whose entries ('': anybody's but mine), '1' to look only, where the page
-- begins, its rows.
-- Answers {rows, id of the last one, entries taken, ids whose data is gone}. Those are left alone: XCLAIM
-- would drop them without a trace, and the sweep of a daemon records them.
--
-- TIME 0: idle since 1970, so that the next sweep of any daemon takes it. JUSTID leaves the count of runs.
local min_idle, from, look_only = tonumber(ARGV[3]), ARGV[4], ARGV[5] == '1'
local page = { 'XPENDING', stream, group, ARGV[6], '+', ARGV[7] }
if from ~= '' then
	page[#page + 1] = from
end

local rows = redis.call(unpack(page))
local claim, lost = { 'XCLAIM', stream, group, me, 0 }, {}
local n_before = #claim
for i = 1, #rows do
	local id, owner, idle = rows[i][1], rows[i][2], rows[i][3]
	if owner ~= me and (idle < 0 or idle >= min_idle) then
		if gone(id) then
			lost[#lost + 1] = id
		else
			claim[#claim + 1] = id
		end
	end
end

local n_taken = #claim - n_before
if n_taken > 0 and not look_only then
	for _, word in ipairs({ 'TIME', '0', 'JUSTID' }) do
		claim[#claim + 1] = word
	end
	redis.call(unpack(claim))
end
return { #rows, #rows > 0 and rows[#rows][1] or '', n_taken, lost }
