-- Moves an entry to the dead-letter stream: recorded first, acknowledged only then, so that an error
-- in between leaves it pending. The pending record is the token: repeating the script does nothing.
-- KEYS[2], where there is one: the dead-letter stream. Without one a trimmed entry is acknowledged.
-- ARGV: group, me, id, maxlen of the dead-letter stream (0: none), place of the reason among the
-- metadata values (from 1), '1' for a record with the entry's own pairs, then the metadata values.
-- Answers {'moved', reason}, {'other'}, {'none'}, {'wide'} (too many fields for a script) or
-- {'refused', error}.
local id, maxlen, reason_at, with_fields = ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6] == '1'
local meta = {}
for i = 7, #ARGV do
	meta[i - 6] = ARGV[i]
end

local row = pending(id)
if not row then
	return { 'none' }
elseif row[2] ~= me then
	return { 'other' }
end

local entry = redis.call('XRANGE', stream, id, id)[1]
if not entry then
	meta[reason_at] = 'trimmed'
end
local fields = entry and with_fields and entry[2] or {}
if #fields + #meta > values_max then
	return { 'wide' }
end
local err = KEYS[2] and record(KEYS[2], maxlen, meta, fields)
if err then
	return { 'refused', err }
end
redis.call('XACK', stream, group, id)
return { 'moved', meta[reason_at] }
