-- Starts the next run of entries that wait without payload.
-- ARGV: group, me, then for each entry its id and the number of the run.
-- Answers for each: {'ok', fields}, {'other'} (pending for another), {'none'} (pending for nobody) or
-- {'gone'} (ours, but its data is no more; it stays pending, to be recorded).
local answers = {}
for i = 3, #ARGV, 2 do
	local id, run = ARGV[i], ARGV[i + 1]
	local row = pending(id)
	local entry = row and row[2] == me and redis.call('XRANGE', stream, id, id)[1]
	if not row then
		answers[#answers + 1] = { 'none' }
	elseif row[2] ~= me then
		answers[#answers + 1] = { 'other' }
	elseif not entry then
		answers[#answers + 1] = { 'gone' }
	else
		redis.call('XCLAIM', stream, group, me, 0, id, 'RETRYCOUNT', run, 'JUSTID')
		answers[#answers + 1] = { 'ok', entry[2] }
	end
end
return answers
