-- Starts the next run of entries that wait without payload.
-- ARGV: group, me, how many bytes an entry may have, then for each its id and the number of the run.
-- Answers for each: {'ok', fields}, {'big', bytes} (not begun), {'other'} (pending for another),
-- {'none'} (pending for nobody) or {'gone'} (ours, but its data is no more; it stays pending, to be
-- recorded).
local bytes_max = tonumber(ARGV[3])

local function bytes_of(fields)
	local bytes = 0
	for i = 1, #fields do
		bytes = bytes + #fields[i]
	end
	return bytes
end

local answers = {}
for i = 4, #ARGV, 2 do
	local id, run = ARGV[i], ARGV[i + 1]
	local row = pending(id)
	local entry = row and row[2] == me and redis.call('XRANGE', stream, id, id)[1]
	if not row then
		answers[#answers + 1] = { 'none' }
	elseif row[2] ~= me then
		answers[#answers + 1] = { 'other' }
	elseif not entry then
		answers[#answers + 1] = { 'gone' }
	elseif bytes_of(entry[2]) > bytes_max then
		answers[#answers + 1] = { 'big', bytes_of(entry[2]) }
	else
		redis.call('XCLAIM', stream, group, me, 0, id, 'RETRYCOUNT', run, 'JUSTID')
		answers[#answers + 1] = { 'ok', entry[2] }
	end
end
return answers
