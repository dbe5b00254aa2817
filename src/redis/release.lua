-- Gives entries back to the group.
-- ARGV: group, me, then for each entry its id, its count of runs, and its idle time in ms, '' for
-- "claimable at once".
-- Answers how many were given back; what is another's is left alone, and what has no data any more
-- stays as it is, for whoever records it.
--
-- TIME 0 makes an entry idle since 1970. A large IDLE would be taken for a mistake and clamped to 0.
local released = 0
for i = 3, #ARGV, 3 do
	local id, runs, idle = ARGV[i], ARGV[i + 1], ARGV[i + 2]
	local row = pending(id)
	if row and row[2] == me and not gone(id) then
		local how, value = 'IDLE', idle
		if idle == '' then
			how, value = 'TIME', '0'
		end
		redis.call('XCLAIM', stream, group, me, 0, id, how, value, 'RETRYCOUNT', runs, 'JUSTID')
		released = released + 1
	end
end
return released
