-- Tells what the server can tell: the abilities that show only in answers. Changes nothing.
-- ARGV: group, me.
-- Answers {words that describe a stream, a group, a consumer, the options of XREADGROUP}; none where
-- there is nothing to describe, or the ACL refuses the question.
local function names(pairs_of)
	local found = {}
	for i = 1, #pairs_of, 2 do
		found[#found + 1] = pairs_of[i]
	end
	return found
end

local function words_within(reply, found)
	for i = 1, #reply do
		if type(reply[i]) == 'table' then
			words_within(reply[i], found)
		elseif type(reply[i]) == 'string' then
			found[#found + 1] = reply[i]
		end
	end
	return found
end

return {
	names(redis.pcall('XINFO', 'STREAM', stream)),
	names(redis.pcall('XINFO', 'GROUPS', stream)[1] or {}),
	names(redis.pcall('XINFO', 'CONSUMERS', stream, group)[1] or {}),
	words_within(redis.pcall('COMMAND', 'DOCS', 'XREADGROUP'), {}),
}
