-- SPDX-License-Identifier: MIT
-- What the scripts share. KEYS[1] is the stream, ARGV[1] the group, ARGV[2] our consumer name.
--
-- XCLAIM and XACK ask nobody who owns an entry, and since 7.0 XCLAIM drops the pending record of an
-- entry whose data is gone: so every script looks first, at the owner and at the data.

local stream, group, me = KEYS[1], ARGV[1], ARGV[2]

-- The pending row {id, owner, idle, deliveries} of an id, or nil.
local function pending(id)
	return redis.call('XPENDING', stream, group, id, id, 1)[1]
end

-- Ids are compared as text: their halves may not fit into a Lua number.
local function less(a, b)
	local a_ms, a_seq = string.match(a, '(%d+)-(%d+)')
	local b_ms, b_seq = string.match(b, '(%d+)-(%d+)')
	if a_ms == b_ms then
		a_ms, b_ms = a_seq, b_seq
	end
	if #a_ms ~= #b_ms then
		return #a_ms < #b_ms
	end
	return a_ms < b_ms
end

-- Only what lies below the first entry (trimmed) or not above the highest deleted id (XDEL) can be
-- gone. That spares reading every payload to learn that it is still there. Before 7.0 there is no
-- highest deleted id, and everything is looked up.
local first, deleted

local function look_at_stream()
	local info = redis.pcall('XINFO', 'STREAM', stream)
	first, deleted = false, false
	for i = 1, #info, 2 do
		if info[i] == 'first-entry' and info[i + 1] then
			first = info[i + 1][1]
		elseif info[i] == 'max-deleted-entry-id' then
			deleted = info[i + 1]
		end
	end
end

-- Whether no entry from this id on can be gone.
local function intact_from(id)
	if first == nil then
		look_at_stream()
	end
	return first and deleted and not less(id, first) and less(deleted, id)
end

local function gone(id)
	return not intact_from(id) and #redis.call('XRANGE', stream, id, id) == 0
end

-- Whether all that is pending between two ids is ours. To learn that takes a question for each other
-- consumer that has anything pending, instead of a row for each id, which costs Lua three times what
-- it costs the server. What XNACK has given back belongs to nobody, whose name is empty.
local owners_max = 8

local function all_ours(from, to)
	local summary = redis.call('XPENDING', stream, group)
	local owners, left = summary[4] or {}, summary[1]
	if #owners > owners_max then
		return false
	end
	for i = 1, #owners do
		local owner = owners[i][1]
		left = left - owners[i][2]
		if owner == '' or owner ~= me and #redis.call('XPENDING', stream, group, from, to, 1, owner) > 0 then
			return false
		end
	end
	return left == 0
end

-- Adds a dead-letter record: the metadata pairs, then the entry's own. Returns an error reply, or nil.
-- More values than this do not fit on Lua's stack in one call.
local values_max = 7000

local function record(dead_letters, maxlen, meta, fields)
	local args = { 'XADD', dead_letters }
	if maxlen ~= '0' then
		args[3], args[4], args[5] = 'MAXLEN', '~', maxlen
	end
	args[#args + 1] = '*'
	for i = 1, #meta do
		args[#args + 1] = meta[i]
	end
	for i = 1, #fields do
		args[#args + 1] = fields[i]
	end
	local reply = redis.pcall(unpack(args))
	if type(reply) == 'table' and reply.err then
		return reply.err
	end
end
