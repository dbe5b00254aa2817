-- Renews the leases of entries that we hold.
-- ARGV: group, me, then ids in ascending order.
-- Answers {ids of others, ids of nobody, ids of ours whose data is gone}: those are not renewed, all
-- the rest are.
local n = #ARGV - 2
local lowest, highest = ARGV[3], ARGV[#ARGV]
local intact = intact_from(lowest)

-- What is pending for nobody XCLAIM leaves out.
if intact and all_ours(lowest, highest) then
	ARGV[#ARGV + 1] = 'JUSTID'
	if #redis.call('XCLAIM', stream, group, me, 0, unpack(ARGV, 3)) == n then
		return { {}, {}, {} }
	end
	ARGV[#ARGV] = nil
end

local claim = { 'XCLAIM', stream, group, me, 0 }
local mine, others, nobodys, trimmed = {}, {}, {}, {}
local rows = redis.call('XPENDING', stream, group, lowest, highest, 4 * n, me)
for i = 1, #rows do
	mine[rows[i][1]] = true
end
for i = 3, #ARGV do
	local id = ARGV[i]
	local row = not mine[id] and pending(id)
	if not mine[id] and not row then
		nobodys[#nobodys + 1] = id
	elseif row and row[2] ~= me then
		others[#others + 1] = id
	elseif not intact and gone(id) then
		trimmed[#trimmed + 1] = id
	else
		claim[#claim + 1] = id
	end
end
if #claim > 5 then
	claim[#claim + 1] = 'JUSTID'
	redis.call(unpack(claim))
end
return { others, nobodys, trimmed }
