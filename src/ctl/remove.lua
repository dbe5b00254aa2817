-- SPDX-License-Identifier: MIT
-- Removes a consumer that has nothing pending: XGROUP DELCONSUMER would drop that without a trace.
-- ARGV: group, me (not used), the consumer, '1' to look only.
-- Answers {word, pending entries, idle time in ms}, the word being 'removed', 'none' (no such consumer) or
-- 'pending'.
local name, look_only = ARGV[3], ARGV[4] == '1'

local function found()
	local consumers = redis.call('XINFO', 'CONSUMERS', stream, group)
	for i = 1, #consumers do
		local row = {}
		for j = 1, #consumers[i], 2 do
			row[consumers[i][j]] = consumers[i][j + 1]
		end
		if row.name == name then
			return row
		end
	end
end

local consumer = found()
if not consumer then
	return { 'none', 0, 0 }
elseif consumer.pending > 0 then
	return { 'pending', consumer.pending, consumer.idle }
end
if not look_only then
	redis.call('XGROUP', 'DELCONSUMER', stream, group, name)
end
return { 'removed', 0, consumer.idle }
