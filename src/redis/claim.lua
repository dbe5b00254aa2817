-- Takes entries that have been idle for the whole lease, whoever owns them.
-- KEYS[2], where there is one: the dead-letter stream. Without one, ids whose data is gone are only
-- acknowledged, or, if there is no metadata either, told and left pending: their record is written
-- elsewhere.
-- ARGV: group, me, lease in ms, maxlen of the dead-letter stream (0: none), number of metadata values,
-- places of id and attempts among them (from 1), the metadata of a record, then for each entry, in
-- ascending order, its id, its deliveries, and '1' when other pending entries lie before it.
-- Answers {claimed ids, ids recorded as trimmed, error of the dead-letter stream or '', ids told}.
--
-- An entry whose data is gone is recorded and taken out of the pending list first: XAUTOCLAIM would
-- drop it without a trace. What has changed hands since the page was read is left out, so that a run
-- of ids is claimed with a COUNT that fits it.
local lease, maxlen, n_meta = ARGV[3], ARGV[4], tonumber(ARGV[5])
local id_at, attempts_at = tonumber(ARGV[6]), tonumber(ARGV[7])
local meta = {}
for i = 1, n_meta do
	meta[i] = ARGV[7 + i]
end

local claimed, trimmed, refused, told = {}, {}, '', {}
local run_start, run_length

local function claim_run()
	if run_start then
		local ids = redis.call('XAUTOCLAIM', stream, group, me, lease, run_start,
			'COUNT', run_length, 'JUSTID')[2]
		for i = 1, #ids do
			claimed[#claimed + 1] = ids[i]
		end
	end
	run_start, run_length = nil, 0
end

-- Nobody has begun a run since the page was read, or the count that comes with the id would be old.
-- Counts are cut off at 2^31 - 1 where they are read: XNACK FATAL sets the largest number there is.
local function still_stale(id, deliveries)
	local row = pending(id)
	return row and (row[3] < 0 or row[3] >= tonumber(lease))
		and math.min(row[4], 2147483647) == tonumber(deliveries)
end

local function bury_trimmed(id, deliveries)
	if n_meta == 0 then
		told[#told + 1] = id
		return
	end
	meta[id_at], meta[attempts_at] = id, deliveries
	local err = KEYS[2] and record(KEYS[2], maxlen, meta, {})
	if err then
		refused = err
		return
	end
	redis.call('XACK', stream, group, id)
	trimmed[#trimmed + 1] = id
end

claim_run()
for i = 8 + n_meta, #ARGV, 3 do
	local id, deliveries, apart = ARGV[i], ARGV[i + 1], ARGV[i + 2]
	local stale = still_stale(id, deliveries)
	local lost = stale and gone(id)
	if apart == '1' or lost or not stale then
		claim_run()
	end
	if lost then
		bury_trimmed(id, deliveries)
	elseif stale then
		run_start = run_start or id
		run_length = run_length + 1
	end
end
claim_run()
return { claimed, trimmed, refused, told }
