-- Counts entries from the front of the stream, a page of them.
-- ARGV: group, me, where to begin (as XRANGE takes it), at most how many, the id where to stop ('': none),
-- '1' to find out as well what groups had still to do with them.
-- Answers how many there are, the last one's id, their bytes, and then for each group that has not done
-- with all of them its name, how many it has still to read, and how many to acknowledge.
local from, to, most, with_groups = ARGV[3], '+', ARGV[4], ARGV[6] == '1'
if ARGV[5] ~= '' then
	to = '(' .. ARGV[5]
end
local ids, bytes = {}, 0

for i, entry in ipairs(redis.call('XRANGE', stream, from, to, 'COUNT', most)) do
	ids[i] = entry[1]
	for k = 1, #entry[2] do
		bytes = bytes + #entry[2][k]
	end
end

local function n_above(id)
	local low, high = 0, #ids
	while low < high do
		local middle = math.floor((low + high) / 2)
		if less(id, ids[middle + 1]) then
			high = middle
		else
			low = middle + 1
		end
	end
	return #ids - low
end

-- Rows of entries that are gone from the stream may stand between them.
local function n_pending(name)
	local rows = redis.call('XPENDING', stream, name, ids[1], ids[#ids], 10 * #ids)
	local n, there = 0, {}
	for i = 1, #rows > 0 and #ids or 0 do
		there[ids[i]] = true
	end
	for _, row in ipairs(rows) do
		n = n + (there[row[1]] and 1 or 0)
	end
	return n
end

local answer = { #ids, ids[#ids] or '', bytes }
for _, info in ipairs(with_groups and #ids > 0 and redis.call('XINFO', 'GROUPS', stream) or {}) do
	local of = {}
	for i = 1, #info, 2 do
		of[info[i]] = info[i + 1]
	end
	local unread, unfinished = n_above(of['last-delivered-id']), n_pending(of.name)
	if unread + unfinished > 0 then
		answer[#answer + 1] = of.name
		answer[#answer + 1] = unread
		answer[#answer + 1] = unfinished
	end
end
return answer
