-- Starts the next run of entries that wait without payload.
-- ARGV: group, me, how many bytes an entry may have, then for each, in ascending order, its id and the
-- number of the run.
-- Answers for each: its fields; or how many bytes it has (too many: not begun), 'other' (pending for
-- another), 'none' (pending for nobody) or 'gone' (ours, but its data is no more; it stays pending, to
-- be recorded).
local bytes_max = tonumber(ARGV[3])

-- What is begun together often lies together: a page then costs a third of looking up each. Pages
-- grow as long as most of what they bring is asked for. Where they bring what nobody asks for it goes
-- singly for a while, each time for longer.
local page_max, left = 50, 0

-- A function that finds what lies at an id, not below the id it was last asked for; `read` is given
-- an id and brings so many from there on.
local function finder(read)
	local page, at, size, n_used, singly, singly_next = {}, 1, 6, 6, 0, 1

	local function learn_size()
		if 2 * n_used <= size then
			size, singly, singly_next = 1, singly_next, 2 * singly_next
		elseif singly > 0 then
			singly = singly - 1
		else
			size = math.min(2 * size, page_max)
			singly_next = size > 2 and 1 or singly_next
		end
	end

	local function find(id)
		for i = at, #page do
			if page[i][1] == id then
				at, n_used = i + 1, n_used + 1
				return page[i]
			end
		end
	end

	return function(id)
		local found = find(id)
		if not found then
			learn_size()
			page, at, n_used = read(id, math.min(size, left)), 1, 0
			found = find(id)
		end
		return found
	end
end

local row_of = finder(function(id, n)
	return redis.call('XPENDING', stream, group, id, '+', n, me)
end)
local entry_of = finder(function(id, n)
	return redis.call('XRANGE', stream, id, '+', 'COUNT', n)
end)

local function bytes_of(fields)
	local bytes = 0
	for i = 1, #fields do
		bytes = bytes + #fields[i]
	end
	return bytes
end

local ours = all_ours(ARGV[4], ARGV[#ARGV - 1])

-- The fields of an entry that can be begun, or why it cannot be.
local function answer(id)
	local entry = entry_of(id)
	local bytes = entry and bytes_of(entry[2])
	if ours and entry and bytes <= bytes_max then
		return entry[2]
	end
	local row = row_of(id) or pending(id)
	if not row then
		return 'none'
	elseif row[2] ~= me then
		return 'other'
	elseif not entry then
		return 'gone'
	elseif bytes > bytes_max then
		return bytes
	end
	return entry[2]
end

-- One XCLAIM for all runs with the same number.
local claims = {}

local function begin(id, run)
	local claim = claims[run] or { 'XCLAIM', stream, group, me, 0 }
	claim[#claim + 1] = id
	claims[run] = claim
end

local answers, replies, missing = {}, {}, 0
for i = 4, #ARGV, 2 do
	left = (#ARGV - i + 1) / 2
	local told = answer(ARGV[i])
	answers[i / 2 - 1] = told
	if type(told) == 'table' then
		begin(ARGV[i], ARGV[i + 1])
		missing = missing + 1
	end
end
for run, claim in pairs(claims) do
	local n = #claim
	claim[n + 1], claim[n + 2], claim[n + 3] = 'RETRYCOUNT', run, 'JUSTID'
	local ids = redis.call(unpack(claim))
	missing = missing - #ids
	replies[#replies + 1] = ids
end
if missing == 0 then
	return answers
end

-- What is pending for nobody XCLAIM has left out.
local begun = {}
for i = 1, #replies do
	for k = 1, #replies[i] do
		begun[replies[i][k]] = true
	end
end
for i = 4, #ARGV, 2 do
	if type(answers[i / 2 - 1]) == 'table' and not begun[ARGV[i]] then
		answers[i / 2 - 1] = 'none'
	end
end
return answers
