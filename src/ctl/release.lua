-- SPDX-License-Identifier: MIT
-- Gives entries back to the group, whoever has them: claimable at once, with their counts of runs.
-- ARGV: group, me (not used), '1' to look only, then ids.
-- Answers for each {word, owner, idle time in ms}, the word being 'released', 'none' (not pending) or
-- 'gone' (its data is; left as it is, for a daemon's sweep to record).
--
-- TIME 0: idle since 1970. JUSTID leaves the count.
local look_only = ARGV[3] == '1'
local answers = {}

local function release(id)
	local row = pending(id)
	if not row then
		return { 'none', '', 0 }
	elseif gone(id) then
		return { 'gone', row[2], row[3] }
	end
	-- With no owner it is free for everybody already.
	if not look_only and row[2] ~= '' then
		redis.call('XCLAIM', stream, group, row[2], 0, id, 'TIME', '0', 'JUSTID')
	end
	return { 'released', row[2], row[3] }
end

for i = 4, #ARGV do
	answers[#answers + 1] = release(ARGV[i])
end
return answers
