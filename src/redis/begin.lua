-- Starts the next run of entries that wait without payload.
-- ARGV: group, me, how many bytes an entry may have, then for each its id and the number of the run.
-- Answers for each: {'ok', fields}, {'big', bytes} (not begun), {'other'} (pending for another),
-- {'none'} (pending for nobody) or {'gone'} (ours, but its data is no more; it stays pending, to be
-- recorded).
local bytes_max = tonumber(ARGV[3])

-- A function that finds what lies at an id; `read` is given an id and brings so many from there on.
-- What is begun together often lies together, in ascending order: a page then costs half as much as
-- looking up each. Pages grow as long as most of what they bring is asked for. Where they bring what
-- nobody asks for it goes singly for a while, each time for longer.
local page_max, left = 32, 0

local function finder(read)
	local found, size, n_used, singly, singly_next = {}, 4, 4, 0, 1

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

	return function(id)
		if not found[id] then
			learn_size()
			local page = read(id, math.min(size, left))
			for i = 1, #page do
				found[page[i][1]] = page[i]
			end
			n_used = 0
		end
		n_used = n_used + 1
		return found[id]
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

-- One XCLAIM for all runs with the same number.
local claims = {}

local function begin(id, run)
	local claim = claims[run] or { 'XCLAIM', stream, group, me, 0 }
	claim[#claim + 1] = id
	claims[run] = claim
end

local answers = {}
for i = 4, #ARGV, 2 do
	local id, run = ARGV[i], ARGV[i + 1]
	left = (#ARGV - i + 1) / 2
	local row = row_of(id) or pending(id)
	local entry = row and row[2] == me and entry_of(id)
	if not row then
		answers[#answers + 1] = { 'none' }
	elseif row[2] ~= me then
		answers[#answers + 1] = { 'other' }
	elseif not entry then
		answers[#answers + 1] = { 'gone' }
	elseif bytes_of(entry[2]) > bytes_max then
		answers[#answers + 1] = { 'big', bytes_of(entry[2]) }
	else
		begin(id, run)
		answers[#answers + 1] = { 'ok', entry[2] }
	end
end
for run, claim in pairs(claims) do
	local n = #claim
	claim[n + 1], claim[n + 2], claim[n + 3] = 'RETRYCOUNT', run, 'JUSTID'
	redis.call(unpack(claim))
end
return answers
