-- SPDX-License-Identifier: MIT
-- Reads the ledger entry of an epoch that has counted, after checking the proof. Writes nothing.
--
-- KEYS:
--    1  hits_key: zset
--    2  ledger_key: hash
-- ARGV:
--    1  epoch
--
-- Returns "AT" and the entry, or only "AT" if there is none; or TORN or OUTDATED as apply.lua does.
local hits_key, ledger_key, epoch = KEYS[1], KEYS[2], ARGV[1]
local kept = redis.call('HMGET', ledger_key, epoch, PROOF)
local scores = redis.call('ZMSCORE', hits_key, '', MARK)
local wrong = examine(hits_key, ledger_key, scores[1], scores[2], kept[2], true)
if wrong then
    return 'TORN ' .. wrong
end
if (generation_of(epoch) or 0) < tonumber(scores[2] or 0) then
    return 'OUTDATED ' .. scores[2]
end
return 'AT' .. (kept[1] and ' ' .. kept[1] or '')
