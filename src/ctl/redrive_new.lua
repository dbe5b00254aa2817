-- SPDX-License-Identifier: MIT
-- Adds what dead-letter records hold to the stream as new entries, and removes the records.
-- KEYS[2]: the dead-letter stream.
-- ARGV: group and me (not used), '1' to look only, then for each record its id, how many of its values are
-- metadata, how many behind those are kept, and the new value of sluice.redriven.
-- Answers for each {'done', new id}, {'removed'} (the record is), or {'error', text}, and then nothing
-- for those behind it.
local dead_letters, look_only = KEYS[2], ARGV[3] == '1'
local answers = {}

local function add(fields, n_meta, n_kept, redriven)
	local args = { 'XADD', stream, '*' }
	for i = n_meta + 1, n_meta + n_kept do
		args[#args + 1] = fields[i]
	end
	args[#args + 1] = 'sluice.redriven'
	args[#args + 1] = redriven
	return redis.pcall(unpack(args))
end

local function redrive(record_id, n_meta, n_kept, redriven)
	local record = redis.call('XRANGE', dead_letters, record_id, record_id)[1]
	if not record or look_only then
		return { record and 'done' or 'removed', '' }
	end
	local added = add(record[2], tonumber(n_meta), tonumber(n_kept), redriven)
	if type(added) == 'table' and added.err then
		return { 'error', added.err }
	end
	local removed = redis.pcall('XDEL', dead_letters, record_id)
	if type(removed) == 'table' and removed.err then
		return { 'error', 'added as ' .. added .. ', but its record stays: ' .. removed.err }
	end
	return { 'done', added }
end

for i = 4, #ARGV, 4 do
	answers[#answers + 1] = redrive(ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
	if answers[#answers][1] == 'error' then
		break
	end
end
return answers
