-- SPDX-License-Identifier: MIT
-- Applies one batch of visits, exactly once. One atomic step: Redis runs a script alone, and
-- replicates its writes together.
--
-- KEYS: hits (zset), day (hash), hour (hash), ledger (hash), all of one site
-- ARGV: epoch, sequence, the sequence that it follows, visits of the epoch up to this batch; seconds
--       until the day's and the hour's numbers expire, seconds after which an unused ledger entry is
--       dropped; then page, hits, page, hits, ...
--
-- Answers one string, since that is what costs the client least to parse:
--   OK <total> ...        applied; the total of each page after it, in the order of ARGV
--   DUP <total> ...       had been applied before; the totals of that time
--   GAP <sequence> <visits>   not applied: this is where the ledger is, not what the batch follows
-- After the totals, " ! <error>" says that the series by day or hour could not be written.
--
-- Nothing after the first write of hits can fail: the ledger's type was proved by reading it, and
-- the series are written with pcall. So an error reply always means that nothing was applied.
local hits_key, day_key, hour_key, ledger_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local epoch, sequence, follows = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local day_ttl, hour_ttl, ledger_ttl = ARGV[5], ARGV[6], tonumber(ARGV[7])
local FIRST_PAGE = 8

local last, visits, answer = 0, '0', ''
local entry = redis.call('HGET', ledger_key, epoch)
if entry then
    local number, sum, totals = string.match(entry, '^(%d+) (%d+) %d+(.*)$')
    last, visits, answer = tonumber(number), sum, totals
end

if last == sequence then
    return 'DUP' .. answer
end
if last > sequence then
    -- the answer of that time is gone: it was taken, which is why there are later ones
    local totals = {}
    for i = FIRST_PAGE, #ARGV, 2 do
        totals[#totals + 1] = redis.call('ZSCORE', hits_key, ARGV[i]) or '0'
    end
    return 'DUP ' .. table.concat(totals, ' ')
end
if last ~= follows then
    return 'GAP ' .. last .. ' ' .. visits
end

local failed = ''

-- adds to a hash of the series and, when a page is new in it, renews its expiry
local function count(key, page, hits, ttl)
    local total = redis.pcall('HINCRBY', key, page, hits)
    if type(total) == 'table' then
        failed = ' ! ' .. total.err
    elseif total == tonumber(hits) then
        redis.pcall('EXPIRE', key, ttl)
    end
end

local totals = {}
for i = FIRST_PAGE, #ARGV, 2 do
    local page, hits = ARGV[i], ARGV[i + 1]
    totals[#totals + 1] = redis.call('ZINCRBY', hits_key, hits, page)
    count(day_key, page, hits, day_ttl)
    count(hour_key, page, hits, hour_ttl)
end

local now = tonumber(redis.call('TIME')[1])
answer = ' ' .. table.concat(totals, ' ')
redis.call('HSET', ledger_key, epoch, ARGV[2] .. ' ' .. ARGV[4] .. ' ' .. now .. answer)

if last == 0 then
    -- a new epoch: look at a few entries and drop those of instances that are long gone, more
    -- than one instance adds, so that the ledger stays small
    local some = redis.pcall('HRANDFIELD', ledger_key, 16, 'WITHVALUES')
    for i = 1, #some, 2 do
        local used = tonumber(string.match(some[i + 1], '^%d+ %d+ (%d+)'))
        if used and used + ledger_ttl < now then
            redis.call('HDEL', ledger_key, some[i])
        end
    end
end

return 'OK' .. answer .. failed
