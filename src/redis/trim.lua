-- Removes entries from the front of the stream, some at a time.
-- KEYS[2], where there is one: the lock by which the daemons of a group take turns.
-- ARGV: group, me, ms that the lock is held; what may go: 'maxlen' (all but so many), 'age' (what is
-- older than so many ms), 'minid' (what is below an id) or 'acknowledged' (what every group has read
-- and acknowledged, as far as it is below an id; '': no limit), and that number or id; '1' to be
-- exact, '' to stop where that would take a node of the stream apart, 'look' to remove nothing.
-- Answers {'other'} (it is another one's turn), {'removed', how many (0: nothing is left to do),
-- a group that had some of it still to read or to acknowledge, or ''} or, after a look, {'keep', the id
-- below which everything may go, or ''}.
--
-- A thousand entries hold up the server for 0.03 ms where they are small, for 0.7 ms where each is 6 KB,
-- for 12 ms where each is 200 KB (Redis 7.0).
local lock_ms, what, amount, exact = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local step = 1000
local highest = '18446744073709551615'

-- Numbers of 64 bits do not fit into Lua's.
local function plus_one(digits)
	local head, digit, nines = string.match(digits, '^(%d*)([0-8])(9*)$')
	if not head then
		return '1' .. string.rep('0', #digits)
	end
	return head .. (digit + 1) .. string.rep('0', #nines)
end

-- The lowest id above this one.
local function behind(id)
	local ms, seq = string.match(id, '(%d+)-(%d+)')
	if seq ~= highest then
		return ms .. '-' .. plus_one(seq)
	elseif ms ~= highest then
		return plus_one(ms) .. '-0'
	end
	return id
end

local function lower(a, b)
	return (not b or less(a, b)) and a or b
end

local function groups()
	local found = {}
	for i, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
		found[i] = {}
		for k = 1, #info, 2 do
			found[i][info[k]] = info[k + 1]
		end
	end
	return found
end

-- Everything below it is finished, by every group; nil without a group, for then nobody has said so.
-- What is pending may lie above what was delivered last: XGROUP SETID goes backwards, too.
local function finished_below()
	local floor
	for _, g in ipairs(groups()) do
		local oldest = redis.call('XPENDING', stream, g.name, '-', '+', 1)[1]
		floor = lower(behind(g['last-delivered-id']), floor)
		floor = oldest and lower(oldest[1], floor) or floor
	end
	return floor
end

local function id_at(from)
	local entry = redis.call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
	return entry and entry[1]
end

-- What is to be known before: the first entry, and for each group the first that it has not read.
local function look_before()
	local seen = { groups = groups(), first = id_at('-') }
	for _, g in ipairs(seen.groups) do
		local last = g['last-delivered-id']
		if not seen.read or less(last, seen.read) then
			seen.read, seen.group = last, g.name
		end
	end
	seen.unread = seen.read and id_at('(' .. seen.read)
	return seen
end

local function who_lost(seen)
	local now = id_at('-')
	if seen.unread and (not now or less(seen.unread, now)) then
		return seen.group
	end
	for _, g in ipairs(seen.groups) do
		if redis.call('XPENDING', stream, g.name, seen.first, now and '(' .. now or '+', 1)[1] then
			return g.name
		end
	end
	return ''
end

-- A node larger than the step is taken out with the server's own limit, a hundred full nodes.
local function trim(how, threshold)
	local removed = redis.call('XTRIM', stream, how, '~', threshold, 'LIMIT', step)
	if removed == 0 then
		removed = redis.call('XTRIM', stream, how, '~', threshold)
	end
	if removed == 0 and exact == '1' then
		removed = redis.call('XTRIM', stream, how, threshold)
	end
	return removed
end

local function too_old_below()
	local now = redis.call('TIME')
	local ms = now[1] * 1000 + math.floor(now[2] / 1000) - amount
	return string.format('%.0f-0', math.max(ms, 0))
end

-- SET is refused when memory is short, which is when trimming is needed most: then without the lock.
local turn = not KEYS[2] or redis.pcall('SET', KEYS[2], me, 'NX', 'PX', lock_ms)
if not turn then
	return { 'other' }
elseif KEYS[2] and turn.err and not string.find(turn.err, '^%-?OOM') then
	return turn
end

local low = amount
if what == 'age' then
	low = too_old_below()
elseif what == 'acknowledged' then
	low = finished_below()
	low = low and amount ~= '' and lower(amount, low) or low
end
if exact == 'look' then
	return { 'keep', low or '' }
elseif what == 'acknowledged' then
	return { 'removed', low and trim('MINID', low) or 0, '' }
end

local seen = look_before()
local removed = trim(what == 'maxlen' and 'MAXLEN' or 'MINID', low)
return { 'removed', removed, removed > 0 and who_lost(seen) or '' }
