-- SPDX-License-Identifier: MIT
-- Gives what is pending for a consumer to another one, a page at a time. Counts and idle times stay.
-- KEYS[2], where there is one: the dead-letter stream, for what has lost its data, which XCLAIM would drop
-- without a trace.
-- ARGV: group, me, the consumer, where the page begins, its rows, what becomes of entries whose data is
-- gone ('record', 'acknowledge' or 'leave'), maxlen of the dead-letter stream (0: none), places of id and
-- attempts among the metadata (from 1), the metadata of a record.
-- Answers {rows, id of the last one, given, recorded or acknowledged, left, error or ''}.
local from, start, n_rows, fate, maxlen = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local id_at, attempts_at = tonumber(ARGV[8]), tonumber(ARGV[9])
local meta = {}
for i = 10, #ARGV do
	meta[i - 9] = ARGV[i]
end

local n_given, n_buried, n_left, refused = 0, 0, 0, ''

local function give(id, idle)
	-- What is idle since 1970 is claimable at once, and stays so.
	local how, value = 'IDLE', idle
	if idle < 0 or idle > 1e12 then
		how, value = 'TIME', '0'
	end
	redis.call('XCLAIM', stream, group, me, 0, id, how, value, 'JUSTID')
	n_given = n_given + 1
end

local function bury(id, deliveries)
	if fate == 'record' then
		meta[id_at], meta[attempts_at] = id, string.format('%.0f', deliveries)
		refused = record(KEYS[2], maxlen, meta, {}) or refused
	end
	if fate == 'leave' or refused ~= '' then
		n_left = n_left + 1
		return
	end
	redis.call('XACK', stream, group, id)
	n_buried = n_buried + 1
end

local rows = redis.call('XPENDING', stream, group, start, '+', n_rows, from)
for i = 1, #rows do
	if gone(rows[i][1]) then
		bury(rows[i][1], rows[i][4])
	else
		give(rows[i][1], rows[i][3])
	end
end
return { #rows, #rows > 0 and rows[#rows][1] or '', n_given, n_buried, n_left, refused }
