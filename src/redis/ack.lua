-- Acknowledges entries that are done, and sets the keys that guard them against a second run, so
-- that neither is there without the other. A key that is there already, whatever it holds, stays as
-- it is, with the time that it has left.
-- KEYS[2] and on: the guard keys. ARGV: group, me, their life in ms, then the ids.
-- Answers how many of the entries were pending.
for i = 2, #KEYS do
	redis.call('SET', KEYS[i], '1', 'PX', ARGV[3], 'NX')
end
return redis.call('XACK', stream, group, unpack(ARGV, 4))
