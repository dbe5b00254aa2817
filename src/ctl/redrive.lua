-- SPDX-License-Identifier: MIT
-- Gives dead entries back to their own group, under their own ids, and removes their records.
-- KEYS[2], where there is one: the dead-letter stream. Without one the caller removes the records.
-- ARGV: group, me, '1' to look only, then for each record its id and that of its entry.
-- Answers for each {'done'}, {'pending'}, {'gone'} (from the stream), {'removed'} (the record is), or
-- {'error', text}, and then nothing for those behind it.
--
-- What is pending is left alone, and so is its record: it may be on its way to the dead-letter stream in
-- two steps, recorded but not acknowledged yet. Of several records of one entry the first gives it back.
local dead_letters, look_only = KEYS[2], ARGV[3] == '1'
local answers, given = {}, {}

local function look(record_id, id)
	if dead_letters and #redis.call('XRANGE', dead_letters, record_id, record_id) == 0 then
		return 'removed'
	elseif given[id] then
		return 'done'
	elseif pending(id) then
		return 'pending'
	elseif gone(id) then
		return 'gone'
	end
	return 'done'
end

-- TIME 0: idle since 1970, so that the next sweep of any daemon takes it.
local function give_back(record_id, id)
	local claimed = given[id] or redis.pcall('XCLAIM', stream, group, me, 0, id,
		'TIME', '0', 'RETRYCOUNT', '0', 'FORCE', 'JUSTID')
	given[id] = claimed
	if claimed.err or not dead_letters then
		return claimed.err
	end
	local removed = redis.pcall('XDEL', dead_letters, record_id)
	return type(removed) == 'table' and removed.err
end

for i = 4, #ARGV, 2 do
	local word = look(ARGV[i], ARGV[i + 1])
	local err = word == 'done' and not look_only and give_back(ARGV[i], ARGV[i + 1])
	answers[#answers + 1] = err and { 'error', err } or { word }
	if err then
		break
	end
end
return answers
